// Package hostile writes media files that ask for far more than they are: a few
// kilobytes that claim millions of samples, tags without end, pictures of a
// size nobody has. They are written by hand, byte for byte the same each time.
// It also writes the largest honest files, and changes honest ones as somebody
// would who knows how they are built. Tests alone use it.
package hostile
