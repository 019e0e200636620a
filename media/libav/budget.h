#ifndef ROOMCAST_BUDGET_H
#define ROOMCAST_BUDGET_H

#include "edits.h"

#include <libavformat/avformat.h>
#include <stddef.h>
#include <stdint.h>

// rc_scope is whose work libav does on a thread: one source's or one
// transcoder's. Of a source it bounds what the work may cost, since a kilobyte
// from outside can ask for gigabytes and for minutes. Go makes and frees it.
typedef struct rc_scope {
	uintptr_t log;           // the handle of whose log lines these are
	AVFormatContext *format; // of a source; NULL: nothing is bounded
	AVIOInterruptCB interrupt; // of a source: Go's
	int64_t held;            // bytes that libav has allocated for it
	int64_t little;          // of them in blocks below RC_LITTLE
	int64_t peak;            // the most that was held
	int64_t searched;        // index entries looked through while it was opened
	int spent;               // RC_SPENT_…: what was refused first; ALL: the system had no memory left
	int width, height;       // a picture that was refused for its size, 0 for none
	rc_edits edits;          // of a source
	int finding;             // RC_FINDING_…: what its streams are
	int decoders;            // opened to find that out
	const uint8_t *whole;    // of a source: the last picture of which a parser has said that it is not of two fields
	int64_t resync;          // of a source: where the demuxer has left out what is damaged, 0: nowhere
} rc_scope;

enum { RC_SPENT_NOTHING, RC_SPENT_MEMORY, RC_SPENT_SEARCHES, RC_SPENT_ALL };

enum { RC_FINDING_NOTHING, RC_FINDING_HEADERS, RC_FINDING_PACKETS };

enum { RC_LITTLE = 64 << 10 };

// rc_most_pixels is what a decoded picture may have: 5.7K all around, 5.3K of a
// camera, of which a decoder keeps up to 17. Of those that stand for themselves
// a telephone's.
int64_t rc_most_pixels(enum AVCodecID codec);

// rc_enter says whose work this thread does until rc_leave.
void rc_enter(rc_scope *scope);
void rc_leave(void);
rc_scope *rc_current(void);

// rc_is_mp4 says whether a source is an mp4 or one of its kin.
int rc_is_mp4(const AVFormatContext *f);

// rc_bound_allocations bounds every single allocation of libav's.
void rc_bound_allocations(void);

#endif
