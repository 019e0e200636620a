#include "bytes.h"

#include <libavutil/error.h>
#include <libavutil/mem.h>

#include "_cgo_export.h"

// How much libav asks for at once.
enum { READ_SIZE = 32 << 10 };

static int read_bytes(void *handle, uint8_t *to, int size)
{
	return roomcastRead((uintptr_t)handle, to, size);
}

static int64_t seek_bytes(void *handle, int64_t offset, int whence)
{
	return roomcastSeek((uintptr_t)handle, offset, whence);
}

AVIOContext *rc_bytes_new(uintptr_t handle, int seekable)
{
	uint8_t *buffer = av_malloc(READ_SIZE);
	AVIOContext *bytes = NULL;

	if (buffer)
		bytes = avio_alloc_context(buffer, READ_SIZE, 0, (void *)handle, read_bytes, NULL, seekable ? seek_bytes : NULL);
	if (!bytes)
		av_free(buffer);
	return bytes;
}

void rc_bytes_free(AVIOContext *bytes)
{
	if (bytes)
		av_freep(&bytes->buffer);
	avio_context_free(&bytes);
}
