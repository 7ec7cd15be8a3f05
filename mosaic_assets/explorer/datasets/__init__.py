"""The data sets beside the library: lists, numbers, pictures and thumbnails."""
