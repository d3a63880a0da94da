"""New scans segmented with an exported model: discovered, read, cut into slices, mapped back and written."""
