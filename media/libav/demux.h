#ifndef ROOMCAST_DEMUX_H
#define ROOMCAST_DEMUX_H

#include "budget.h"
#include "codec.h"

#include <libavformat/avformat.h>
#include <stdint.h>

// rc_reader is what rc_read needs and what it answers, so that a packet costs
// one call from Go. Go frees it with rc_reader_free.
typedef struct rc_reader {
	AVFormatContext *format; // borrowed
	AVPacket *packet;        // owned
	rc_scope *scope;         // borrowed
	int video, audio;        // chosen stream indices, -1 for none
	// What they were chosen as. One that is of another codec or type by now
	// (MPEG-TS: by a new program map) is a candidate.
	enum AVCodecID video_codec, audio_codec;
	int candidate;           // the answer is of a stream that is not chosen
	// Of sound whose parameters were learned late, libav does not time what it
	// splits: its stream, -1 for none, and where its next packet begins.
	int learned;
	int64_t each, next; // how long a packet lasts where libav does not say, 0 unknown

	// The answer, valid until the next call. Times are nanoseconds,
	// AV_NOPTS_VALUE when there is none.
	int64_t pts, dts, duration;
	int64_t pos; // where in the file it begins; in Ogg, its page
	const uint8_t *data;
	int size, stream, flags;
	const uint8_t *extradata; // a new decoder configuration, NULL when it has not changed
	int extradata_size;
} rc_reader;

// What rc_read answers to a packet that a player needs a licence for.
#define RC_ERROR_ENCRYPTED FFERRTAG('R', 'C', 'D', 'R')

rc_reader *rc_reader_new(AVFormatContext *format, rc_scope *scope);
void rc_reader_free(rc_reader *r);

// rc_read reads the next packet of a chosen stream, or of a candidate; it returns
// 0 or an AVERROR. A broken connection that a demuxer reports as the end is an
// error here.
int rc_read(rc_reader *r);

enum { RC_LEARNED_KEY = 2 };

// rc_learn completes the parameters of the stream of the packet that was read by
// decoding it, as libav does with what comes while it probes. It returns 0 when
// it cannot, RC_LEARNED_KEY if it is a keyframe.
int rc_learn(rc_reader *r);

// rc_left says whether the chosen video, or the audio, is of another codec or type
// than it was chosen as.
int rc_left(const rc_reader *r, int audio);

// rc_forget forgets all that is known of the stream of the packet that was read
// but its codec. The demuxer may have put the packet behind the end of one of the
// codec of before: that is cut off. It returns how much, negative if the packet can
// not be the first of its codec.
int rc_forget(rc_reader *r);

// rc_doubt makes the chosen streams candidates until they have shown what they are.
void rc_doubt(rc_reader *r);

// rc_in_fields says whether the picture that was read, of H.264 with this decoder
// configuration, is of two fields, one after the other.
int rc_in_fields(rc_reader *r, const uint8_t *config, int size);

// rc_await makes a stream a candidate, if it is picture or sound, that was there
// when the tracks were chosen. Those that come later are candidates by themselves.
void rc_await(rc_reader *r, int stream);

// rc_ignore makes a candidate cost nothing.
void rc_ignore(rc_reader *r, int stream);

// rc_flv_flags returns the flags of an FLV header (FLV 10.1, E.2) that has just
// been read, -1 when it is not at hand.
int rc_flv_flags(const AVFormatContext *format);

// rc_choose makes every stream that there is but these two cost nothing.
void rc_choose(rc_reader *r, int video, int audio);

// rc_watch ends what the context does once the scope has spent what it may. Its
// interrupt callback must be set before. It borrows the scope.
void rc_watch(AVFormatContext *format, rc_scope *scope);

// rc_io_error returns the error that reading the context's bytes has met, 0 for none.
int rc_io_error(const AVFormatContext *format);

// rc_seekable says whether the context's bytes can be gone back in.
int rc_seekable(const AVFormatContext *format);

// rc_partial says whether the index of an mp4's stream, which libav has so far, ends long
// before its end, as of one in fragments.
int rc_partial(const AVFormatContext *format, int stream);

// rc_index_behind says whether a stream begins before where its index was read to, so
// far that the context cannot go back to it.
int rc_index_behind(const AVFormatContext *format);

// rc_edited says whether the demuxer makes of its samples what an mp4's edit list
// says, and marks what it leaves out. Fragments have none; of those whose clock
// begins anew it thinks that they are left out.
int rc_edited(const AVFormatContext *format);

// rc_follow goes on with another video, or audio. That of before is a candidate.
void rc_follow(rc_reader *r, int stream, int audio);

rc_parameters rc_parameters_at(const AVFormatContext *format, int stream);

#endif
