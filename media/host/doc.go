// Package host lets libav work in child processes, the media hosts, which have no
// network, no files and no secrets, and whose death no viewer sees.
//
// A Pool is the worker's side: it starts the hosts, says who lives in which, and
// implements what package media asks of libav. Serve is the other side. Between
// them are Unix sockets: one for the host itself, over which it gets one more for
// each session, that is for each source that is taken apart and each track that is
// re-encoded. The worker asks, the host answers; a host that needs more bytes of a
// source says so in its answer.
package host
