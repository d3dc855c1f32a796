// Package walker lists directories. One pool of workers serves any number of trees,
// nested to any depth, in bounded memory.
//
// A [Job] is a set of directories and everything found below them. Its Visit function is
// called once for each directory (or once for each part of a very large one) with the
// results of getdents64(2) and statx(2), and returns the children to descend into. Only
// directories are queued; a file is an entry in the listing of its directory.
//
// Names are bytes, exactly as the kernel returned them. Symbolic links are never
// followed, in any component of a path.
package walker
