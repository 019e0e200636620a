// Its place is taken by what make console builds.
