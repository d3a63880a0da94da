"""New scans through an exported model: listed, read, segmented, mapped back, written, ranked for labels."""
