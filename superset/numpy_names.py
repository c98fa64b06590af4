"""Gives NumPy the two old names that Superset 6.1 uses; import it before Superset.

On Python 3.13 only NumPy 2 has wheels, and NumPy 2 dropped them. With NumPy 1 this changes nothing.
"""

import numpy

vars(numpy).setdefault("product", numpy.prod)
vars(numpy).setdefault("NaN", numpy.nan)
