#ifndef ROOMCAST_CODEC_H
#define ROOMCAST_CODEC_H

#include <libavcodec/avcodec.h>
#include <libavutil/audio_fifo.h>
#include <stdint.h>

// What go-astiav does not show of decoders and frames, one call a frame.

// rc_stamp is what rc_send says of a packet. Times are nanoseconds,
// AV_NOPTS_VALUE when there is none.
typedef struct rc_stamp {
	int64_t pts, dts, duration;
	int flags; // AV_PKT_FLAG_*
} rc_stamp;

// rc_bytes borrows memory for one call.
typedef struct rc_bytes {
	const uint8_t *data;
	int size;
} rc_bytes;

// rc_decoder returns the decoder of a codec by the codec's name, NULL if there
// is none.
const AVCodec *rc_decoder(const char *codec);

// rc_parameters is what a decoder must know before it is opened and go-astiav
// does not show: 0 where the container says nothing.
typedef struct rc_parameters {
	int channels, block_align, bits_per_sample;
	uint32_t tag;
	int interlaced; // pictures are of two fields
} rc_parameters;

// rc_parameters_of reads them of a stream.
rc_parameters rc_parameters_of(const AVCodecParameters *p);

// rc_set_up gives them to a decoder, whose times are nanoseconds.
void rc_set_up(AVCodecContext *c, rc_parameters p);

// rc_send copies a packet once and gives it to the decoder, with extra as its
// new configuration if there is one. It returns 0 or an AVERROR.
int rc_send(AVCodecContext *c, rc_bytes data, rc_bytes extra, const rc_stamp *stamp);

// rc_frame is what matters of a decoded frame. pts is libav's best guess.
typedef struct rc_frame {
	int64_t pts, duration;
	int format, corrupt;
	int width, height, sar_num, sar_den, range, space, transfer, interlaced;
	int samples, rate, channels;
	uint64_t layout;
} rc_frame;

// rc_describe fills d in. A sound frame without a channel layout gets the usual
// one for its number of channels. A picture whose container has no PTS (AVI) gets
// from libav the DTS of the packet that brought it out of c, which came as many
// pictures later as c puts in order.
void rc_describe(const AVCodecContext *c, AVFrame *f, rc_frame *d);

// rc_transparent says whether pictures of a format have an alpha channel.
int rc_transparent(int format);

// rc_on_black makes of a yuva420p frame a yuv420p one, on black, both of limited
// range. It returns 0 or an AVERROR.
int rc_on_black(AVFrame *f);

// rc_write appends count samples of f, from skip on.
int rc_write(AVAudioFifo *fifo, const AVFrame *f, int skip, int count);

// rc_write_silence appends count samples of silence, with the room of f, which
// it overwrites.
int rc_write_silence(AVAudioFifo *fifo, AVFrame *f, int count);

// rc_read_block fills f, which has room for it, with as many samples as it has room
// for.
int rc_read_block(AVAudioFifo *fifo, AVFrame *f);

#endif
