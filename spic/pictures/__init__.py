"""Images and label maps: reading, sizes, label spaces."""
