#include "log.h"
#include "budget.h"

#include <libavutil/log.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "_cgo_export.h"

// note_resync notes where an FLV's demuxer leaves out what is damaged: it says so
// nowhere else. A test fails where the line is another.
static void note_resync(rc_scope *scope, void *object, const char *format)
{
	if (object && object == scope->format && !scope->resync && !strncmp(format, "Packet mismatch ", 16) && scope->format->pb)
		scope->resync = avio_tell(scope->format->pb);
}

// encodes says whether a line is an encoder's. What it warns of are the settings that
// it has from us, or how it takes them: a detail.
static int encodes(void *object, const AVClass *class)
{
	return class && class->get_category && class->get_category(object) == AV_CLASS_CATEGORY_ENCODER;
}

static void receive(void *object, int level, const char *format, va_list args)
{
	char text[4096];
	const char *item = "";
	const AVClass *class = object ? *(const AVClass **)object : NULL;

	if (level >= 0)
		level &= 0xff; // the upper bits are a tint
	rc_scope *scope = rc_current();
	if (scope) {
		va_list copy;
		va_copy(copy, args);
		rc_note_edit(&scope->edits, object, format, copy);
		va_end(copy);
		note_resync(scope, object, format);
	}
	if (level == AV_LOG_WARNING && encodes(object, class))
		level = AV_LOG_VERBOSE;
	if (level > av_log_get_level())
		return;
	if (vsnprintf(text, sizeof(text), format, args) <= 0)
		return;
	if (class && class->item_name)
		item = class->item_name(object);
	// libav does its work on the thread that called it, so the thread knows whose
	// line it is; the line itself does not.
	roomcastLogLine(scope ? scope->log : 0, level, (char *)item, text);
}

void rc_log_install(void) { av_log_set_callback(receive); }
