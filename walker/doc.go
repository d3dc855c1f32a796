// Package walker lists directories: one pool of workers for every tree that is
// asked for, at any depth of nesting, in bounded memory.
//
// A [Job] is a set of directories and what is found below them. Its Visit
// function is called once a directory (or once a part of a very large one)
// with what getdents64(2) and statx(2) said, and answers with the children to
// go on to. Only directories are work: a file is an entry of its directory's
// listing and never queued.
//
// Names are bytes and stay as the kernel gave them. Nothing is opened through
// a symbolic link, at any component of its path.
package walker
