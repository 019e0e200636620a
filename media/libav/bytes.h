#ifndef ROOMCAST_BYTES_H
#define ROOMCAST_BYTES_H

#include <libavformat/avio.h>
#include <stdint.h>

// rc_bytes_new returns what libav reads a source's bytes from: those that Go gives for
// a handle. It returns NULL when memory is short.
AVIOContext *rc_bytes_new(uintptr_t handle, int seekable);
void rc_bytes_free(AVIOContext *bytes);

#endif
