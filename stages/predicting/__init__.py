"""New scans segmented with an exported model: found, read, cut into slices, mapped back and written."""
