#include "edits.h"

#include <inttypes.h>
#include <libavformat/avformat.h>
#include <string.h>

// The lines are those of FFmpeg 9.0 (mov.c); a test fails where they are others.
#define LISTED "duration=%" PRId64 " time=%" PRId64 " rate=%f\n"
#define WORKED_IN "Processing st: %d, edit list %" PRId64 " - media time: %" PRId64 ", duration: %" PRId64 "\n"

enum { empty = -1 }; // the media time of an edit of nothing (ISO/IEC 14496-12, 8.6.6)

static void listed(rc_edits *e, const AVFormatContext *f, va_list args)
{
	(void)va_arg(args, int64_t);
	int64_t at = va_arg(args, int64_t);
	double rate = va_arg(args, double);
	if (at != empty && rate != 1 && f->nb_streams >= 1 && f->nb_streams <= 64)
		e->retimed |= UINT64_C(1) << (f->nb_streams - 1);
}

static void worked_in(rc_edits *e, va_list args)
{
	int stream = va_arg(args, int);
	int64_t number = va_arg(args, int64_t), at = va_arg(args, int64_t), duration = va_arg(args, int64_t);
	if (number == 0)
		e->end = e->shown = 0;
	if (duration < 0 || duration > INT64_MAX / 2 - e->end)
		return;
	if (at == empty && e->shown && e->count < RC_HOLES)
		e->holes[e->count++] = (rc_hole){stream, e->end, e->end + duration, 0};
	else if (e->count && e->holes[e->count - 1].stream == stream)
		e->holes[e->count - 1].after += duration;
	e->shown |= at != empty;
	e->end += duration;
}

void rc_note_edit(rc_edits *e, void *object, const char *format, va_list args)
{
	const AVClass *class = object ? *(const AVClass **)object : NULL;
	if (!class || strcmp(class->class_name, "AVFormatContext"))
		return;
	if (!strcmp(format, LISTED))
		listed(e, object, args);
	else if (!strcmp(format, WORKED_IN))
		worked_in(e, args);
}
