"""Training of the shipped networks: packs of data, the common loop, one recipe a file."""
