// Package still makes a source of one picture. A picture comes in as one packet; the same
// packet goes out every half second, for ever. Such a source can be sought like a file.
// It never decodes the picture and never ends by itself.
package still
