"""The weights that travel with the package, as data; `amogus_search.weights` reads them.

The file is here so that an editable install, too, can find the folder as `amogus_search._weights`.
"""
