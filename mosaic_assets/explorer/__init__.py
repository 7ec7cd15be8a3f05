"""The explorer: everything the pipeline built, in a browser and over HTTP, offline and for reading only.

========== ============================================================================================
module     what it does
========== ============================================================================================
app        puts the application together: guard, problems, routes, pages, files
serving    runs it until it is stopped
bounded    HTTP within limits of size and time
guard      what every request must pass, and the headers that every answer gets
problems   errors as RFC 9457 problems
answers    JSON, quickly
reading    what the routes read from
indexes    the c-square index for many threads at a time
damage     databases with spoilt bytes, told from bugs
links      addresses that answers hand out
world      the picture of the world behind the map
pages      the HTML pages, put together once
search/    scenes by place and time: JSON, GeoJSON, plain ids, STAC, reference 5's own parameters
colours/   the library by colour: buckets, nearest buckets, tiles, coverage
datasets/  crops, chips, gallery, queries, benchmarks, assets; their pictures and thumbnails
static/    style sheets and scripts, as the browser gets them
========== ============================================================================================
"""
