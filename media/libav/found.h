#ifndef ROOMCAST_FOUND_H
#define ROOMCAST_FOUND_H

#include "budget.h"

#include <libavcodec/avcodec.h>

// rc_found is what Go reads of a track (found.go). What is 0 is not of its type.
typedef struct rc_found {
	int width, height, pixels_width, pixels_height;
	char format[16]; // libav's name of a picture's pixels
	int profile; // libav's number
	int level, reorder, transfer;
	int rate, channels, samples; // of sound; samples of a packet
} rc_found;

// rc_needless says whether libav, which finds out what a stream is, needs no decoder
// for it: what it would tell is put into the context, or comes with the stream's
// packets. *answer is avcodec_open2's then.
int rc_needless(rc_scope *scope, AVCodecContext *c, const AVCodec *codec, int *answer);

#endif
