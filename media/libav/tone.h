#ifndef ROOMCAST_TONE_H
#define ROOMCAST_TONE_H

#include <libavutil/frame.h>

// rc_tone maps 10-bit BT.2020 pictures of PQ or HLG (ITU-R BT.2100) to 8-bit
// ones. libswscale can do it too, but thinks for seconds before the first.
typedef struct rc_tone rc_tone;

// rc_tone_new makes the tables, in some 10 ms. transfer is AVCOL_TRC_SMPTE2084
// or AVCOL_TRC_ARIB_STD_B67; bt709 says that the output has the matrix of
// BT.709, not of BT.601. NULL without memory.
rc_tone *rc_tone_new(int transfer, int bt709);
void rc_tone_free(rc_tone *t);

// rc_tone_map writes from, yuv420p10le in limited range, to to, yuv420p of the
// same even size.
int rc_tone_map(const rc_tone *t, const AVFrame *from, AVFrame *to);

#endif
