#ifndef ROOMCAST_EDITS_H
#define ROOMCAST_EDITS_H

#include <stdarg.h>
#include <stdint.h>

// rc_hole is an edit of nothing in the middle of a stream, in its time base.
typedef struct rc_hole {
	int stream;
	int64_t from, to;
	int64_t after; // how long what follows it is
} rc_hole;

enum { RC_HOLES = 64 };

// rc_edits is what an mp4's edit lists hold that libav does not do: in place of
// nothing it gives the media's begin, and knows one speed.
typedef struct rc_edits {
	rc_hole holes[RC_HOLES];
	int count;        // of holes
	int64_t end;      // of the edits that were seen of the present stream
	int shown;        // one of them is of something
	uint64_t retimed; // by stream, the first 64: a part has another speed, or stands
} rc_edits;

// rc_note_edit takes from a line of libav's log, whatever its level, what it tells
// of an edit: libav has it nowhere else that can be read.
void rc_note_edit(rc_edits *e, void *object, const char *format, va_list args);

#endif
