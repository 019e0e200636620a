#include "budget.h"
#include "found.h"

#include <libavcodec/avcodec.h>
#include <libavutil/avstring.h>
#include <libavutil/dict.h>
#include <libavutil/imgutils.h>
#include <libavutil/macros.h>
#include <libavutil/mem.h>
#include <libavutil/refstruct.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

// The functions below stand before those of their names (ld's --wrap, see
// budget.go): the linker leads libav's calls here. libav has no other place at
// which all that a source costs passes by.

static _Thread_local rc_scope *current;

void rc_enter(rc_scope *scope)
{
	current = scope;
	scope->searched = 0;
}

void rc_leave(void) { current = NULL; }
rc_scope *rc_current(void) { return current; }

static rc_scope *source(void) { return current && current->format ? current : NULL; }

// What libav may hold for a source. The index of an mp4 takes seven times its
// bytes while an edit list is worked in: of twelve hours at 60 pictures a second,
// 285 MB for 41. That of sound alone, 4 bytes a packet, takes twenty times. Only what
// was really sent of one earns that much.
enum {
	most_free = 96 << 20, // whatever has been read: the pictures of a 4K decoder
	per_byte_read = 24,   // of an mp4
	most_held = 304 << 20,
	// Little blocks count apart: nothing that people have needs many, and a
	// refusal of one is what libav expects least.
	most_little = 40 << 20,
};

int64_t rc_most_pixels(enum AVCodecID codec)
{
	switch (codec) {
	case AV_CODEC_ID_MJPEG:
	case AV_CODEC_ID_PNG:
	case AV_CODEC_ID_WEBP:
		return 50 * 1000 * 1000;
	default:
		return 17 * 1000 * 1000;
	}
}

void rc_bound_allocations(void) { av_max_alloc(most_held); }

int rc_is_mp4(const AVFormatContext *f)
{
	return f->iformat && av_strstart(f->iformat->name, "mov,", NULL);
}

static int64_t allowance(const AVFormatContext *f)
{
	int64_t read = f->pb && rc_is_mp4(f) ? f->pb->bytes_read : 0;
	return most_free + FFMIN(read, (most_held - most_free) / per_byte_read) * per_byte_read;
}

// refuses says whether a block may not be size large, which was before.
static int refuses(rc_scope *s, size_t before, size_t size)
{
	if (!s)
		return 0;
	int64_t large = s->held - s->little - (before < RC_LITTLE ? 0 : before);
	if (size < RC_LITTLE ? s->little <= most_little : large + (int64_t)size <= allowance(s->format))
		return 0;
	if (!s->spent)
		s->spent = RC_SPENT_MEMORY;
	return 1;
}

// charge adds a block of so many bytes, or with sign -1 takes it away.
static void charge(rc_scope *s, size_t block, int sign)
{
	int64_t bytes = sign * (int64_t)block;
	if (!s)
		return;
	s->held += bytes;
	if (block < RC_LITTLE)
		s->little += bytes;
	s->peak = FFMAX(s->peak, s->held);
}

// note_failure notes that the system had no memory: libav goes on with less of an
// index where that happens, and says nothing.
static void note_failure(rc_scope *s)
{
	if (s && !s->spent)
		s->spent = RC_SPENT_ALL;
}

int __real_posix_memalign(void **p, size_t align, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);

int __wrap_posix_memalign(void **p, size_t align, size_t size)
{
	rc_scope *s = source();
	if (refuses(s, 0, size))
		return ENOMEM;
	int ret = __real_posix_memalign(p, align, size);
	if (!ret)
		charge(s, malloc_usable_size(*p), 1);
	else
		note_failure(s);
	return ret;
}

void *__wrap_realloc(void *p, size_t size)
{
	rc_scope *s = source();
	size_t before = s && p ? malloc_usable_size(p) : 0;
	if (size > before && refuses(s, before, size))
		return NULL;
	void *q = __real_realloc(p, size);
	if (q) {
		charge(s, before, -1);
		charge(s, s ? malloc_usable_size(q) : 0, 1);
	} else if (size) {
		note_failure(s);
	}
	return q;
}

void __wrap_free(void *p)
{
	rc_scope *s = source();
	if (s && p)
		charge(s, malloc_usable_size(p), -1);
	__real_free(p);
}

// A picture parameter set has 170 kB of tables, of which a source of 4:2:0 with 8 bits
// fills a tenth: pages of nothing need no memory until they are written to.
void *__real_av_refstruct_alloc_ext_c(size_t size, unsigned flags, AVRefStructOpaque opaque, void (*free_cb)(AVRefStructOpaque opaque, void *obj));

void *__wrap_av_refstruct_alloc_ext_c(size_t size, unsigned flags, AVRefStructOpaque opaque, void (*free_cb)(AVRefStructOpaque opaque, void *obj))
{
	enum { most_zeroes = 64 << 10 };
	void *p = __real_av_refstruct_alloc_ext_c(size, flags, opaque, free_cb);
	if (p && size > most_zeroes && !(flags & AV_REFSTRUCT_FLAG_NO_ZEROING)) {
		uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
		uintptr_t begin = FFALIGN((uintptr_t)p, page), end = ((uintptr_t)p + size) & -page;
		if (begin < end)
			madvise((void *)begin, end - begin, MADV_DONTNEED);
	}
	return p;
}

// A dictionary is searched from its beginning for every entry that is set, and
// an entry that is added to is copied: tags by the ten thousand are minutes of
// work.
enum { most_entries = 1000, most_value = 64 << 10, most_appended = 8 << 10 };

static int too_much(const AVDictionary *d, const char *key, const char *value, int flags)
{
	if (!key || !value)
		return 0;
	if (av_dict_count(d) >= most_entries || strlen(value) > most_value)
		return 1;
	if (!(flags & AV_DICT_APPEND))
		return 0;
	const AVDictionaryEntry *e = av_dict_get(d, key, NULL, flags);
	return e && strlen(e->value) > most_appended;
}

int __real_av_dict_set(AVDictionary **d, const char *key, const char *value, int flags);

int __wrap_av_dict_set(AVDictionary **d, const char *key, const char *value, int flags)
{
	if (!source() || !too_much(*d, key, value, flags))
		return __real_av_dict_set(d, key, value, flags);
	if (flags & AV_DICT_DONT_STRDUP_KEY)
		av_free((char *)key);
	if (flags & AV_DICT_DONT_STRDUP_VAL)
		av_free((char *)value);
	return 0;
}

// What libav decodes to find out what a stream is.
int __real_avcodec_open2(AVCodecContext *c, const AVCodec *codec, AVDictionary **options);

int __wrap_avcodec_open2(AVCodecContext *c, const AVCodec *codec, AVDictionary **options)
{
	if (source()) {
		int refused = 0;
		if (rc_needless(current, c, codec, &refused))
			return refused;
		c->max_pixels = rc_most_pixels(codec ? codec->id : c->codec_id);
		c->thread_count = 1;
		current->decoders += !!current->finding;
	}
	return __real_avcodec_open2(c, codec, options);
}

int __real_av_image_check_size2(unsigned w, unsigned h, int64_t most, enum AVPixelFormat format, int offset, void *object);

int __wrap_av_image_check_size2(unsigned w, unsigned h, int64_t most, enum AVPixelFormat format, int offset, void *object)
{
	int ret = __real_av_image_check_size2(w, h, most, format, offset, object);
	if (ret < 0 && current && w && h && w <= INT32_MAX && h <= INT32_MAX && (int64_t)w * h > most) {
		current->width = (int)w;
		current->height = (int)h;
	}
	return ret;
}

// An mp4's edit list looks through its sample table once for each edit; an entry
// of an index that does not belong at its end moves those behind it.
enum { most_searched = 200 * 1000 * 1000 };

static int searched_out(rc_scope *s, int64_t entries)
{
	if (!s || (s->searched += entries) <= most_searched)
		return 0;
	if (!s->spent)
		s->spent = RC_SPENT_SEARCHES;
	return 1;
}

int __real_av_index_search_timestamp(AVStream *stream, int64_t at, int flags);

int __wrap_av_index_search_timestamp(AVStream *stream, int64_t at, int flags)
{
	// Matroska's demuxer asks for each block of a file without an index, which costs little.
	rc_scope *s = source();
	if (searched_out(s, s && rc_is_mp4(s->format) ? avformat_index_get_entries_count(stream) : 1))
		return -1;
	return __real_av_index_search_timestamp(stream, at, flags);
}

int __real_av_add_index_entry(AVStream *stream, int64_t pos, int64_t at, int size, int distance, int flags);

int __wrap_av_add_index_entry(AVStream *stream, int64_t pos, int64_t at, int size, int distance, int flags)
{
	rc_scope *s = source();
	int count = s ? avformat_index_get_entries_count(stream) : 0;
	const AVIndexEntry *last = count ? avformat_index_get_entry(stream, count - 1) : NULL;
	if (last && last->timestamp > at && searched_out(s, count))
		return -1;
	return __real_av_add_index_entry(stream, pos, at, size, distance, flags);
}

// Chapters are looked through for each that comes.
AVChapter *__real_avpriv_new_chapter(AVFormatContext *f, int64_t id, AVRational base, int64_t start, int64_t end, const char *title);

AVChapter *__wrap_avpriv_new_chapter(AVFormatContext *f, int64_t id, AVRational base, int64_t start, int64_t end, const char *title)
{
	if (source() && f->nb_chapters >= most_entries)
		return NULL;
	return __real_avpriv_new_chapter(f, id, base, start, end, title);
}
