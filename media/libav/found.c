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

// timed says whether a container has the DTS of its pictures. Of Matroska, which has
// not, libav needs the decoder of H.264 for them.
static int timed(const rc_scope *s)
{
	return in(s, "mov") || in(s, "flv") || in(s, "live_flv") || in(s, "mpegts");
}

// known says whether all is in a context that a decoder would tell.
static int known(const AVCodecContext *c)
{
	if (c->codec_id == AV_CODEC_ID_AAC)
		return c->sample_fmt != AV_SAMPLE_FMT_NONE && c->sample_rate > 0 && c->ch_layout.nb_channels > 0;
	return c->pix_fmt != AV_PIX_FMT_NONE && c->width > 0;
}

enum { adts_samples = 1024 }; // ISO/IEC 13818-7, 6.3

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
	if (c->codec_id == AV_CODEC_ID_AAC && !c->extradata_size && in(s, "mpegts") && c->sample_rate > 0 && c->ch_layout.nb_channels > 0) {
		// A header has told, and libav has kept no more of it than this.
		c->sample_fmt = AV_SAMPLE_FMT_FLTP;
		c->frame_size = adts_samples;
		c->profile = AV_PROFILE_AAC_LOW;
	}
	if (c->codec_id == AV_CODEC_ID_AAC && roomcastSound(c->extradata, c->extradata_size, 0, &f))
		fill_sound(c, &f);
	if (c->codec_id == AV_CODEC_ID_H264 && roomcastPicture(c->extradata, c->extradata_size, &f))
		fill_picture(c, &f);
}

int rc_needless(rc_scope *s, AVCodecContext *c, int *answer)
{
	int here = c->codec_id == AV_CODEC_ID_H264 ? timed(s) : c->codec_id == AV_CODEC_ID_AAC && (timed(s) || in(s, "matroska"));
	if (!s->finding || !here)
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

// Sound with ADTS headers (MPEG-TS) has no decoder configuration: each frame tells.
int __wrap_av_parser_parse2(AVCodecParserContext *p, AVCodecContext *c, uint8_t **out, int *out_size, const uint8_t *data, int size, int64_t pts, int64_t dts, int64_t pos)
{
	int ret = __real_av_parser_parse2(p, c, out, out_size, data, size, pts, dts, pos);
	const rc_scope *s = rc_current();
	rc_found f = {0};
	if (s && s->format && s->finding && c->codec_id == AV_CODEC_ID_AAC && !known(c) && !c->extradata_size && *out_size > 0 &&
	    in(s, "mpegts") && roomcastSound(*out, *out_size, 1, &f))
		fill_sound(c, &f);
	return ret;
}
