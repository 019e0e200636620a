#include "codec.h"
#include "budget.h"

#include <libavutil/channel_layout.h>
#include <libavutil/mem.h>
#include <libavutil/pixdesc.h>
#include <libavutil/samplefmt.h>
#include <string.h>

const AVCodec *rc_decoder(const char *codec)
{
	const AVCodecDescriptor *d = avcodec_descriptor_get_by_name(codec);
	return d ? avcodec_find_decoder(d->id) : NULL;
}

rc_parameters rc_parameters_of(const AVCodecParameters *p)
{
	return (rc_parameters){
		.channels = p->ch_layout.nb_channels,
		.block_align = p->block_align,
		.bits_per_sample = p->bits_per_coded_sample,
		.tag = p->codec_tag,
		.interlaced = p->field_order > AV_FIELD_PROGRESSIVE,
	};
}

void rc_set_up(AVCodecContext *c, rc_parameters p)
{
	c->pkt_timebase = (AVRational){1, 1000000000};
	c->max_pixels = rc_most_pixels(c->codec_id);
	c->block_align = p.block_align;
	c->bits_per_coded_sample = p.bits_per_sample;
	c->codec_tag = p.tag;
	if (p.channels > 0)
		av_channel_layout_default(&c->ch_layout, p.channels);
}

static int add_extradata(AVPacket *p, rc_bytes extra)
{
	uint8_t *d;
	if (!extra.size)
		return 0;
	d = av_packet_new_side_data(p, AV_PKT_DATA_NEW_EXTRADATA, extra.size);
	if (!d)
		return AVERROR(ENOMEM);
	memcpy(d, extra.data, extra.size);
	return 0;
}

int rc_send(AVCodecContext *c, rc_bytes data, rc_bytes extra, const rc_stamp *stamp)
{
	AVPacket *p = av_packet_alloc();
	int ret;
	if (!p)
		return AVERROR(ENOMEM);
	ret = av_new_packet(p, data.size);
	if (ret >= 0)
		ret = add_extradata(p, extra);
	if (ret >= 0) {
		memcpy(p->data, data.data, data.size);
		p->pts = stamp->pts;
		p->dts = stamp->dts;
		p->duration = stamp->duration;
		p->flags = stamp->flags;
		p->time_base = c->pkt_timebase;
		ret = avcodec_send_packet(c, p);
	}
	av_packet_free(&p);
	return ret;
}

static void describe_sound(AVFrame *f, rc_frame *d)
{
	int channels = f->ch_layout.nb_channels;
	if (f->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC && channels > 0) {
		av_channel_layout_uninit(&f->ch_layout);
		av_channel_layout_default(&f->ch_layout, channels);
	}
	d->samples = f->nb_samples;
	d->rate = f->sample_rate;
	d->channels = channels;
	d->layout = f->ch_layout.order == AV_CHANNEL_ORDER_NATIVE ? f->ch_layout.u.mask : 0;
}

void rc_describe(const AVCodecContext *c, AVFrame *f, rc_frame *d)
{
	memset(d, 0, sizeof(*d));
	d->pts = f->best_effort_timestamp;
	d->duration = f->duration;
	if (f->pts == AV_NOPTS_VALUE && d->pts != AV_NOPTS_VALUE && c->codec_id == AV_CODEC_ID_H264)
		d->pts -= c->has_b_frames * f->duration;
	d->format = f->format;
	d->corrupt = (f->flags & AV_FRAME_FLAG_CORRUPT) || f->decode_error_flags;
	if (f->nb_samples) {
		describe_sound(f, d);
		return;
	}
	d->width = f->width;
	d->height = f->height;
	d->sar_num = f->sample_aspect_ratio.num;
	d->sar_den = f->sample_aspect_ratio.den;
	d->range = f->color_range;
	d->space = f->colorspace;
	d->transfer = f->color_trc;
	d->interlaced = !!(f->flags & AV_FRAME_FLAG_INTERLACED);
}

int rc_write(AVAudioFifo *fifo, const AVFrame *f, int skip, int count)
{
	uint8_t *planes[AV_NUM_DATA_POINTERS] = {0};
	size_t offset = (size_t)skip * av_get_bytes_per_sample(f->format);
	if (!av_sample_fmt_is_planar(f->format) || f->ch_layout.nb_channels > AV_NUM_DATA_POINTERS)
		return AVERROR_BUG;
	for (int i = 0; i < f->ch_layout.nb_channels; i++)
		planes[i] = f->data[i] + offset;
	return av_audio_fifo_write(fifo, (void **)planes, count);
}

int rc_write_silence(AVAudioFifo *fifo, AVFrame *f, int count)
{
	int ret = av_frame_make_writable(f);
	if (ret < 0)
		return ret;
	av_samples_set_silence(f->data, 0, f->nb_samples, f->ch_layout.nb_channels, f->format);
	while (count > 0 && ret >= 0) {
		int n = FFMIN(count, f->nb_samples);
		ret = av_audio_fifo_write(fifo, (void **)f->data, n);
		count -= n;
	}
	return ret;
}

int rc_read_block(AVAudioFifo *fifo, AVFrame *f)
{
	int ret = av_frame_make_writable(f);
	if (ret < 0)
		return ret;
	return av_audio_fifo_read(fifo, (void **)f->data, f->nb_samples);
}

int rc_transparent(int format)
{
	const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(format);
	return d && (d->flags & AV_PIX_FMT_FLAG_ALPHA);
}

// darken brings a plane as near to black as it is transparent. Of colours, half
// as many as of alpha, each is at the first of its four pixels.
static void darken(AVFrame *f, int plane, int black)
{
	int half = plane > 0, width = (f->width + half) >> half, height = (f->height + half) >> half;
	for (int y = 0; y < height; y++) {
		uint8_t *line = f->data[plane] + (ptrdiff_t)y * f->linesize[plane];
		const uint8_t *alpha = f->data[3] + (ptrdiff_t)(y << half) * f->linesize[3];
		for (int x = 0; x < width; x++)
			line[x] = black + (line[x] - black) * alpha[x << half] / 255;
	}
}

int rc_on_black(AVFrame *f)
{
	int ret;
	if (f->format != AV_PIX_FMT_YUVA420P)
		return 0;
	ret = av_frame_make_writable(f);
	if (ret < 0)
		return ret;
	darken(f, 0, 16);
	darken(f, 1, 128);
	darken(f, 2, 128);
	f->format = AV_PIX_FMT_YUV420P;
	f->data[3] = NULL;
	f->linesize[3] = 0;
	return 0;
}
