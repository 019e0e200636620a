#include "demux.h"

#include <libavutil/avstring.h>
#include <libavutil/mathematics.h>
#include <libavutil/mem.h>
#include <libavutil/opt.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

static const AVRational nanoseconds = {1, 1000000000};

rc_reader *rc_reader_new(AVFormatContext *format, rc_scope *scope)
{
	rc_reader *r = av_mallocz(sizeof(*r));
	if (!r)
		return NULL;
	r->packet = av_packet_alloc();
	if (!r->packet) {
		av_free(r);
		return NULL;
	}
	r->format = format;
	r->scope = scope;
	r->video = r->audio = r->learned = -1;
	return r;
}

void rc_reader_free(rc_reader *r)
{
	if (!r)
		return;
	av_packet_free(&r->packet);
	av_free(r);
}

// plays says whether a chosen stream is of the type and codec that it was chosen as.
static int plays(const rc_reader *r, int stream, enum AVMediaType type, enum AVCodecID codec)
{
	const AVCodecParameters *c = r->format->streams[stream]->codecpar;
	return c->codec_type == type && c->codec_id == codec;
}

int rc_left(const rc_reader *r, int audio)
{
	return audio ? r->audio >= 0 && !plays(r, r->audio, AVMEDIA_TYPE_AUDIO, r->audio_codec)
		: r->video >= 0 && !plays(r, r->video, AVMEDIA_TYPE_VIDEO, r->video_codec);
}

static int chosen(const rc_reader *r, int stream)
{
	return (stream == r->video && !rc_left(r, 0)) || (stream == r->audio && !rc_left(r, 1));
}

// codec_as returns the codec of a stream that is of this type, else none.
static enum AVCodecID codec_as(const rc_reader *r, int stream, enum AVMediaType type)
{
	if (stream < 0 || r->format->streams[stream]->codecpar->codec_type != type)
		return AV_CODEC_ID_NONE;
	return r->format->streams[stream]->codecpar->codec_id;
}

void rc_follow(rc_reader *r, int stream, int audio)
{
	*(audio ? &r->audio : &r->video) = stream;
	if (audio)
		r->audio_codec = codec_as(r, stream, AVMEDIA_TYPE_AUDIO);
	else
		r->video_codec = codec_as(r, stream, AVMEDIA_TYPE_VIDEO);
	// Of MPEG-TS, libav would take it for that of the codec that follows in the stream.
	if (stream >= 0 && !strcmp(r->format->iformat->name, "mpegts"))
		r->format->streams[stream]->codecpar->video_delay = 0;
	int other = audio ? r->video : r->audio;
	if (stream >= 0 && stream == other) // it is of this type now, whatever comes
		*(audio ? &r->video_codec : &r->audio_codec) = AV_CODEC_ID_NONE;
}

// time_first notes sound whose first packets libav does not time: it splits them
// before the probe knows how long they last, and cannot read them again.
static void time_first(rc_reader *r, int audio)
{
	if (audio < 0 || rc_seekable(r->format) || strcmp(r->format->iformat->name, "mpegts"))
		return;
	const AVCodecParameters *c = r->format->streams[audio]->codecpar;
	if (c->frame_size <= 0 || c->sample_rate <= 0)
		return;
	r->learned = audio;
	r->next = AV_NOPTS_VALUE;
	r->each = av_rescale(c->frame_size, 1000000000, c->sample_rate);
}

void rc_choose(rc_reader *r, int video, int audio)
{
	rc_follow(r, video, 0);
	rc_follow(r, audio, 1);
	time_first(r, audio);
	for (unsigned i = 0; i < r->format->nb_streams; i++)
		r->format->streams[i]->discard = chosen(r, (int)i) ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
}

// to_nanoseconds never overflows: what does not fit has no timestamp.
static int64_t to_nanoseconds(int64_t t, AVRational base)
{
	if (t == AV_NOPTS_VALUE || base.num <= 0 || base.den <= 0)
		return AV_NOPTS_VALUE;
	return av_rescale_q(t, base, nanoseconds);
}

static int of_type(const AVStream *s, enum AVMediaType type)
{
	return s->codecpar->codec_type == type && s->codecpar->codec_id != AV_CODEC_ID_NONE &&
		!(s->disposition & AV_DISPOSITION_ATTACHED_PIC);
}

void rc_await(rc_reader *r, int stream) { r->format->streams[stream]->discard = AVDISCARD_DEFAULT; }

void rc_ignore(rc_reader *r, int stream) { r->format->streams[stream]->discard = AVDISCARD_ALL; }

// time_sound makes up for what libav does not know of a packet's time.
static void time_sound(rc_reader *r)
{
	if (r->duration <= 0)
		r->duration = r->each;
	if (r->pts == AV_NOPTS_VALUE && r->dts == AV_NOPTS_VALUE)
		r->pts = r->dts = r->next;
	int64_t at = r->pts == AV_NOPTS_VALUE ? r->dts : r->pts;
	r->next = at == AV_NOPTS_VALUE ? at : at + r->duration;
}

int rc_learn(rc_reader *r)
{
	AVStream *s = r->format->streams[r->packet->stream_index];
	rc_enter(r->scope);
	const AVCodec *codec = avcodec_find_decoder(s->codecpar->codec_id);
	AVCodecContext *c = codec ? avcodec_alloc_context3(codec) : NULL;
	AVFrame *f = av_frame_alloc();
	int ok = c && f && avcodec_parameters_to_context(c, s->codecpar) >= 0 && avcodec_open2(c, codec, NULL) >= 0 &&
		avcodec_send_packet(c, r->packet) >= 0 && avcodec_send_packet(c, NULL) >= 0 &&
		avcodec_receive_frame(c, f) >= 0 && avcodec_parameters_from_context(s->codecpar, c) >= 0;
	if (ok && s->avg_frame_rate.num <= 0)
		s->avg_frame_rate = c->framerate;
	int key = ok && f->flags & AV_FRAME_FLAG_KEY;
	if (ok && of_type(s, AVMEDIA_TYPE_AUDIO)) {
		r->learned = s->index;
		r->next = AV_NOPTS_VALUE;
		r->each = f->sample_rate > 0 ? av_rescale(f->nb_samples, 1000000000, f->sample_rate) : 0;
		time_sound(r);
	}
	av_frame_free(&f);
	avcodec_free_context(&c);
	rc_leave();
	return key ? RC_LEARNED_KEY : ok;
}

// own_begin returns where in a packet its own access unit begins: at its last
// delimiter (H.264, 7.4.1.2.3; H.265, 7.4.2.4.4), which MPEG-TS demands, else at the
// last of what a decoder begins with: an SPS, a VPS, of MPEG-2 a sequence header.
// It is -1 where there is none, 0 with a codec that is not looked into.
static int own_begin(const AVPacket *p, enum AVCodecID codec)
{
	int delimiter, set, begin = -1, delimited = -1;
	switch (codec) {
	case AV_CODEC_ID_H264: delimiter = 9, set = 7; break;
	case AV_CODEC_ID_HEVC: delimiter = 35, set = 32; break;
	case AV_CODEC_ID_MPEG2VIDEO: delimiter = -1, set = 0xb3; break;
	default: return 0;
	}
	for (int i = 0; i + 3 < p->size; i++) {
		const uint8_t *d = p->data + i;
		if (d[0] || d[1] || d[2] != 1)
			continue;
		int type = codec == AV_CODEC_ID_H264 ? d[3] & 0x1f : codec == AV_CODEC_ID_HEVC ? d[3] >> 1 & 0x3f : d[3];
		if (type == delimiter)
			delimited = i;
		if (type == set)
			begin = i;
		i += 2;
	}
	return delimited >= 0 ? delimited : begin;
}

int rc_forget(rc_reader *r)
{
	AVPacket *p = r->packet;
	AVStream *s = r->format->streams[p->stream_index];
	AVCodecParameters *fresh = avcodec_parameters_alloc();
	if (!fresh)
		return -1;
	fresh->codec_type = s->codecpar->codec_type;
	fresh->codec_id = s->codecpar->codec_id;
	fresh->codec_tag = s->codecpar->codec_tag;
	int ret = avcodec_parameters_copy(s->codecpar, fresh);
	avcodec_parameters_free(&fresh);
	s->avg_frame_rate = s->r_frame_rate = (AVRational){0, 1};
	int begin = ret < 0 ? ret : own_begin(p, s->codecpar->codec_id);
	if (begin > 0) {
		p->data += begin;
		p->size -= begin;
		r->data = p->data;
		r->size = p->size;
	}
	return begin;
}

void rc_doubt(rc_reader *r) { r->video_codec = r->audio_codec = AV_CODEC_ID_NONE; }

int rc_in_fields(rc_reader *r, const uint8_t *config, int size)
{
	const AVCodecParameters *known = r->format->streams[r->stream]->codecpar;
	if (r->data && r->data == r->scope->whole && size == known->extradata_size &&
	    (!size || !memcmp(config, known->extradata, (size_t)size)))
		return 0;
	int ret = 0;
	rc_enter(r->scope);
	AVCodecParserContext *p = av_parser_init(AV_CODEC_ID_H264);
	AVCodecContext *c = avcodec_alloc_context3(NULL);
	if (p && c) {
		c->codec_id = AV_CODEC_ID_H264;
		p->flags |= PARSER_FLAG_COMPLETE_FRAMES;
		if (size > 0 && (c->extradata = av_mallocz((size_t)size + AV_INPUT_BUFFER_PADDING_SIZE))) {
			memcpy(c->extradata, config, (size_t)size);
			c->extradata_size = size;
		}
		uint8_t *out = NULL;
		int n = 0;
		av_parser_parse2(p, c, &out, &n, r->data, r->size, AV_NOPTS_VALUE, AV_NOPTS_VALUE, -1);
		ret = p->field_order > AV_FIELD_PROGRESSIVE;
	}
	av_parser_close(p);
	avcodec_free_context(&c);
	rc_leave();
	return ret;
}

// candidate says whether the packet is of a stream that may be chosen yet.
static int candidate(const AVStream *s)
{
	return s->discard < AVDISCARD_ALL && (of_type(s, AVMEDIA_TYPE_VIDEO) || of_type(s, AVMEDIA_TYPE_AUDIO));
}

// lasts returns how long a packet lasts: in an mp4, what stands between two
// packets of sound counts as the first one's, and is a hole.
static int64_t lasts(const AVStream *s, int64_t duration)
{
	enum { most_frames = 4 };
	const AVCodecParameters *c = s->codecpar;

	if (c->codec_type != AVMEDIA_TYPE_AUDIO || c->frame_size <= 0 || c->sample_rate <= 0)
		return duration;
	int64_t frame = av_rescale(c->frame_size, 1000000000, c->sample_rate);
	return duration > most_frames * frame ? frame : duration;
}

static void answer(rc_reader *r, const AVPacket *p)
{
	const AVStream *s = r->format->streams[p->stream_index];
	AVRational base = s->time_base;
	r->pts = to_nanoseconds(p->pts, base);
	r->dts = to_nanoseconds(p->dts, base);
	r->duration = lasts(s, to_nanoseconds(p->duration, base));
	r->pos = p->pos;
	r->data = p->data;
	r->size = p->size;
	r->stream = p->stream_index;
	r->flags = p->flags;
	size_t size = 0;
	r->extradata = av_packet_get_side_data(p, AV_PKT_DATA_NEW_EXTRADATA, &size);
	r->extradata_size = (int)size;
	if (r->stream == r->learned)
		time_sound(r);
}

int rc_read(rc_reader *r)
{
	int ret;
	rc_enter(r->scope);
	r->scope->whole = NULL;
	for (;;) {
		av_packet_unref(r->packet);
		ret = av_read_frame(r->format, r->packet);
		r->candidate = 0;
		if (ret < 0 || chosen(r, r->packet->stream_index))
			break;
		AVStream *s = r->format->streams[r->packet->stream_index];
		if ((r->candidate = candidate(s)))
			break;
		if (s->index != r->video && s->index != r->audio)
			s->discard = AVDISCARD_ALL;
	}
	if (ret == AVERROR_EOF && rc_io_error(r->format) < 0)
		ret = rc_io_error(r->format);
	rc_leave();
	if (ret < 0)
		return ret;
	if (av_packet_get_side_data(r->packet, AV_PKT_DATA_ENCRYPTION_INFO, NULL))
		return RC_ERROR_ENCRYPTED;
	answer(r, r->packet);
	return ret;
}

static int interrupted(void *opaque)
{
	rc_scope *scope = opaque;
	if (scope->finding) // libav asks before it reads the first packet
		scope->finding = RC_FINDING_PACKETS;
	return scope->spent || scope->interrupt.callback(scope->interrupt.opaque);
}

void rc_watch(AVFormatContext *format, rc_scope *scope)
{
	scope->interrupt = format->interrupt_callback;
	format->interrupt_callback = (AVIOInterruptCB){interrupted, scope};
}

int rc_io_error(const AVFormatContext *format)
{
	if (!format || !format->pb || format->pb->error >= 0 || format->pb->error == AVERROR_EOF)
		return 0;
	return format->pb->error;
}

int rc_seekable(const AVFormatContext *format)
{
	return format->pb && format->pb->seekable & AVIO_SEEKABLE_NORMAL;
}

int rc_partial(const AVFormatContext *format, int stream)
{
	AVStream *st = format->streams[stream];
	const AVIndexEntry *last = avformat_index_get_entry(st, avformat_index_get_entries_count(st) - 1);
	if (!last || !rc_is_mp4(format))
		return 0;
	int64_t end = FFMAX(format->start_time, 0) + format->duration;
	return av_rescale_q(last->timestamp, st->time_base, AV_TIME_BASE_Q) < end - AV_TIME_BASE;
}

int rc_flv_flags(const AVFormatContext *format)
{
	const AVIOContext *pb = format->pb;
	if (!pb || pb->pos != pb->buf_end - pb->buffer || pb->pos < 9 || memcmp(pb->buffer, "FLV", 3))
		return -1;
	return pb->buffer[4];
}

int rc_index_behind(const AVFormatContext *format)
{
	int64_t at = avio_tell(format->pb);
	for (unsigned i = 0; i < format->nb_streams; i++) {
		const AVIndexEntry *first = avformat_index_get_entry(format->streams[i], 0);
		if (first && first->pos < at && avio_seek(format->pb, first->pos, SEEK_SET) < 0)
			return 1;
	}
	return avio_seek(format->pb, at, SEEK_SET) < 0;
}

int rc_edited(const AVFormatContext *format)
{
	int64_t on = 0;
	return rc_is_mp4(format) &&
		av_opt_get_int(format->priv_data, "advanced_editlist", 0, &on) >= 0 && on > 0;
}

rc_parameters rc_parameters_at(const AVFormatContext *format, int stream)
{
	return rc_parameters_of(format->streams[stream]->codecpar);
}

// libav would make the buffer it reads into as large as tracks lie apart, 16 MB at
// most, and fill it: media/source goes from one to the other for less.
void __wrap_ff_configure_buffers_for_index(AVFormatContext *s, int64_t tolerance)
{
	(void)s;
	(void)tolerance;
}
