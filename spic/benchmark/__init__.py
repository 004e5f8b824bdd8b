"""The experiment: methods, points, stages, protocols, from images to the numbers of a point."""
