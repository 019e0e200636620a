#include "found.h"
#include "_cgo_export.h"

#include <libavutil/avstring.h>
#include <libavutil/channel_layout.h>
#include <libavutil/pixdesc.h>

static int in(const rc_scope *s, const char *demuxer)
{
	const AVInputFormat *f = s->format->iformat;
	return f && av_match_name(demuxer, f->name);
}

// timed says whether a container has the DTS of its pictures.
static int timed(const rc_scope *s)
{
	return in(s, "mov") || in(s, "flv") || in(s, "live_flv") || in(s, "mpegts");
}

// in_adts says whether a container has AAC with a header before each frame.
static int in_adts(const rc_scope *s) { return in(s, "mpegts") || in(s, "aac"); }

// known says whether all is in a context that a decoder would tell.
static int known(const AVCodecContext *c)
{
	if (c->codec_type == AVMEDIA_TYPE_AUDIO)
		return c->sample_fmt != AV_SAMPLE_FMT_NONE && c->sample_rate > 0 && c->ch_layout.nb_channels > 0;
	return c->pix_fmt != AV_PIX_FMT_NONE && c->width > 0;
}

enum { adts_samples = 1024 }; // ISO/IEC 13818-7, 6.3

// What Opus is decoded to, and how many channels have no order of their own (RFC 7845, 5.1).
enum { opus_rate = 48000, opus_plain = 2 };

static void fill_sound(AVCodecContext *c, const rc_found *f)
{
	c->sample_rate = f->rate;
	c->sample_fmt = AV_SAMPLE_FMT_FLTP;
	c->frame_size = f->samples;
	c->profile = f->profile;
	if (c->ch_layout.nb_channels != f->channels) {
		av_channel_layout_uninit(&c->ch_layout);
		av_channel_layout_default(&c->ch_layout, f->channels);
	}
}

static void fill_picture(AVCodecContext *c, const rc_found *f)
{
	c->width = c->coded_width = f->width;
	c->height = c->coded_height = f->height;
	c->pix_fmt = av_get_pix_fmt(f->format);
	c->profile = f->profile;
	c->level = f->level;
	c->has_b_frames = f->reorder;
	if (f->transfer > 0) // else the container may have told it
		c->color_trc = f->transfer;
	c->field_order = AV_FIELD_PROGRESSIVE;
	if (f->pixels_width > 0 && f->pixels_height > 0)
		c->sample_aspect_ratio = (AVRational){f->pixels_width, f->pixels_height};
}

// fill puts what a decoder configuration tells into the context.
static void fill(const rc_scope *s, AVCodecContext *c)
{
	rc_found f = {0};
	if (c->codec_id == AV_CODEC_ID_AAC && !c->extradata_size && in_adts(s) && c->sample_rate > 0 && c->ch_layout.nb_channels > 0) {
		// A header has told, and libav has kept no more of it than this.
		c->sample_fmt = AV_SAMPLE_FMT_FLTP;
		c->frame_size = adts_samples;
		c->profile = AV_PROFILE_AAC_LOW;
	}
	if (c->codec_id == AV_CODEC_ID_AAC && roomcastSound(c->extradata, c->extradata_size, 0, &f))
		fill_sound(c, &f);
	if (c->codec_id == AV_CODEC_ID_H264 && roomcastPicture(c->extradata, c->extradata_size, &f))
		fill_picture(c, &f);
	if (c->codec_id == AV_CODEC_ID_OPUS && c->sample_rate == opus_rate && c->ch_layout.nb_channels <= opus_plain)
		c->sample_fmt = AV_SAMPLE_FMT_FLTP;
}

// Matroska has no DTS. libav makes those of H.264 of the PTS, once its decoder is open
// and has told how far pictures are out of order, or has let some out: a context of
// which this is known is taken for an open decoder that lets out each picture.
static int plays(const AVCodecContext *c) { return c->opaque != NULL; }

static int play(const rc_scope *s, AVCodecContext *c, const AVCodec *codec)
{
	static int mark;
	rc_found f;
	if (!s->finding || c->codec_id != AV_CODEC_ID_H264 || !in(s, "matroska") || !roomcastPicture(c->extradata, c->extradata_size, &f))
		return 0;
	c->opaque = &mark;
	c->codec = codec; // libav asks for its capabilities
	return 1;
}

int __real_avcodec_is_open(AVCodecContext *c);

int __wrap_avcodec_is_open(AVCodecContext *c) { return plays(c) || __real_avcodec_is_open(c); }

int __real_avcodec_send_packet(AVCodecContext *c, const AVPacket *p);

int __wrap_avcodec_send_packet(AVCodecContext *c, const AVPacket *p)
{
	rc_found f;
	if (!plays(c))
		return __real_avcodec_send_packet(c, p);
	if (!known(c) && roomcastPicture(c->extradata, c->extradata_size, &f))
		fill_picture(c, &f);
	return 0;
}

int __real_avcodec_receive_frame(AVCodecContext *c, AVFrame *f);

int __wrap_avcodec_receive_frame(AVCodecContext *c, AVFrame *f) { return plays(c) ? 0 : __real_avcodec_receive_frame(c, f); }

// How far pictures are out of order, by H.264's decoder.
int __real_avpriv_h264_has_num_reorder_frames(AVCodecContext *c);

int __wrap_avpriv_h264_has_num_reorder_frames(AVCodecContext *c)
{
	return plays(c) ? c->has_b_frames : __real_avpriv_h264_has_num_reorder_frames(c);
}

// told says whether a codec in this container may be known without a decoder.
static int told(const rc_scope *s, enum AVCodecID codec)
{
	switch (codec) {
	case AV_CODEC_ID_H264: return timed(s);
	case AV_CODEC_ID_AAC: return timed(s) || in_adts(s) || in(s, "matroska");
	case AV_CODEC_ID_OPUS: return 1;
	default: return 0;
	}
}

int rc_needless(rc_scope *s, AVCodecContext *c, const AVCodec *codec, int *answer)
{
	if (play(s, c, codec)) {
		*answer = 0;
		return 1;
	}
	if (!s->finding || !told(s, c->codec_id))
		return 0;
	if (!known(c))
		fill(s, c);
	if (s->finding == RC_FINDING_HEADERS) { // libav would warn of a refusal; it asks again with the first packet
		*answer = 0;
		return known(c) || !c->extradata_size;
	}
	*answer = AVERROR_DECODER_NOT_FOUND;
	return known(c);
}

int __real_av_parser_parse2(AVCodecParserContext *p, AVCodecContext *c, uint8_t **out, int *out_size, const uint8_t *data, int size, int64_t pts, int64_t dts, int64_t pos);

// Sound with ADTS headers has no decoder configuration: each frame tells. And what a
// parser has found a picture to be need not be found again.
int __wrap_av_parser_parse2(AVCodecParserContext *p, AVCodecContext *c, uint8_t **out, int *out_size, const uint8_t *data, int size, int64_t pts, int64_t dts, int64_t pos)
{
	int ret = __real_av_parser_parse2(p, c, out, out_size, data, size, pts, dts, pos);
	rc_scope *s = rc_current();
	rc_found f = {0};
	if (s && *out_size > 0)
		s->whole = p->picture_structure == AV_PICTURE_STRUCTURE_FRAME && p->field_order == AV_FIELD_PROGRESSIVE ? *out : NULL;
	if (s && s->format && s->finding && c->codec_id == AV_CODEC_ID_AAC && !known(c) && !c->extradata_size && *out_size > 0 &&
	    in_adts(s) && roomcastSound(*out, *out_size, 1, &f))
		fill_sound(c, &f);
	return ret;
}
