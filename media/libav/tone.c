#include "tone.h"

#include <libavutil/mem.h>
#include <libavutil/pixfmt.h>
#include <math.h>

// The table's nodes: every 16th of luma, every 32nd of each chroma, with six
// bits after the point.
#define LUMA 65
#define CHROMA 33
#define NODES (CHROMA * CHROMA * LUMA)
#define POINT 6
#define LEVELS 4096 // of light, between 0 and 1

struct rc_tone {
	uint16_t y[NODES], u[NODES], v[NODES];
};

typedef struct light { double r, g, b; } light;

// White of an SDR picture, in cd/m2, and the peak of an HLG screen (BT.2408).
static const double white = 203, hlg_peak = 1000;

static double pq(double e)
{
	const double m1 = 2610. / 16384, m2 = 2523. / 32, c1 = 3424. / 4096, c2 = 2413. / 128, c3 = 2392. / 128;
	double p = pow(e, 1 / m2);
	return 10000 / white * pow(fmax(p - c1, 0) / (c2 - c3 * p), 1 / m1);
}

static double hlg(double e)
{
	const double a = 0.17883277, b = 0.28466892, c = 0.55991073;
	return e <= 0.5 ? e * e / 3 : (exp((e - c) / a) + b) / 12;
}

static double look_up(const double *curve, double e)
{
	return curve[(int)(fmin(fmax(e, 0), 1) * (LEVELS - 1) + 0.5)];
}

// shown is the light of a screen for a BT.2020 picture's values, 1 for white.
static light shown(const double *curve, int transfer, double y, double cb, double cr)
{
	light l = {
		look_up(curve, y + 1.4746 * cr),
		look_up(curve, y - 0.16455 * cb - 0.57135 * cr),
		look_up(curve, y + 1.8814 * cb),
	};
	if (transfer == AVCOL_TRC_ARIB_STD_B67) {
		double scene = 0.2627 * l.r + 0.6780 * l.g + 0.0593 * l.b;
		double gain = hlg_peak / white * pow(fmax(scene, 1e-9), 0.2);
		l = (light){l.r * gain, l.g * gain, l.b * gain};
	}
	return l;
}

// narrow brings BT.2020's colours to BT.709's (BT.2087).
static light narrow(light l)
{
	return (light){
		fmax(1.6605 * l.r - 0.5876 * l.g - 0.0728 * l.b, 0),
		fmax(-0.1246 * l.r + 1.1329 * l.g - 0.0083 * l.b, 0),
		fmax(-0.0182 * l.r - 0.1006 * l.g + 1.1187 * l.b, 0),
	};
}

// bend leaves light below the knee as it is and brings all above it under 1;
// the colour stays.
static light bend(light l)
{
	const double knee = 0.75, room = 1 - knee;
	double most = fmax(l.r, fmax(l.g, l.b)), gain;
	if (most <= knee)
		return l;
	gain = (knee + room * (1 - exp((knee - most) / room))) / most;
	return (light){l.r * gain, l.g * gain, l.b * gain};
}

static uint16_t fixed(double v, double low, double high)
{
	return (uint16_t)(fmin(fmax(v, low), high) * (1 << POINT) + 0.5);
}

static void put(rc_tone *t, int node, light l, int bt709)
{
	const double kr = bt709 ? 0.2126 : 0.299, kb = bt709 ? 0.0722 : 0.114, gamma = 1 / 2.2;
	double r = pow(l.r, gamma), g = pow(l.g, gamma), b = pow(l.b, gamma);
	double y = kr * r + (1 - kr - kb) * g + kb * b;
	t->y[node] = fixed(16 + 219 * y, 16, 235);
	t->u[node] = fixed(128 + 112 * (b - y) / (1 - kb), 16, 240);
	t->v[node] = fixed(128 + 112 * (r - y) / (1 - kr), 16, 240);
}

rc_tone *rc_tone_new(int transfer, int bt709)
{
	rc_tone *t = av_malloc(sizeof(*t));
	double *curve = av_malloc_array(LEVELS, sizeof(*curve));
	if (!t || !curve) {
		av_free(t);
		av_free(curve);
		return NULL;
	}
	for (int i = 0; i < LEVELS; i++) {
		double e = i / (LEVELS - 1.);
		curve[i] = transfer == AVCOL_TRC_ARIB_STD_B67 ? hlg(e) : pq(e);
	}
	for (int node = 0; node < NODES; node++) {
		double y = (node % LUMA * 16 - 64) / 876.;
		double cr = (node / LUMA % CHROMA * 32 - 512) / 896.;
		double cb = (node / LUMA / CHROMA * 32 - 512) / 896.;
		put(t, node, bend(narrow(shown(curve, transfer, y, cb, cr))), bt709);
	}
	av_free(curve);
	return t;
}

void rc_tone_free(rc_tone *t) { av_free(t); }

// corners are the four columns of the table around a chroma, and their weights,
// 1024 together.
typedef struct corners { int at[4], weight[4]; } corners;

static corners around(int cb, int cr)
{
	int b = cb >> 5, r = cr >> 5, fb = cb & 31, fr = cr & 31;
	int at = (b * CHROMA + r) * LUMA;
	return (corners){
		{at, at + LUMA, at + CHROMA * LUMA, at + CHROMA * LUMA + LUMA},
		{(32 - fb) * (32 - fr), (32 - fb) * fr, fb * (32 - fr), fb * fr},
	};
}

static int mix(const uint16_t *table, const corners *c, int i)
{
	return table[c->at[0] + i] * c->weight[0] + table[c->at[1] + i] * c->weight[1] +
	       table[c->at[2] + i] * c->weight[2] + table[c->at[3] + i] * c->weight[3];
}

static uint8_t value(const uint16_t *table, const corners *c, int luma)
{
	int64_t i = luma >> 4, f = luma & 15;
	int64_t sum = mix(table, c, (int)i) * (16 - f) + mix(table, c, (int)i + 1) * f;
	return (uint8_t)((sum + (1 << (13 + POINT))) >> (14 + POINT));
}

static const uint16_t *row10(const AVFrame *f, int plane, int row)
{
	return (const uint16_t *)(f->data[plane] + (ptrdiff_t)row * f->linesize[plane]);
}

// map_rows does two rows of luma and the one of chroma between them.
static void map_rows(const rc_tone *t, const AVFrame *from, AVFrame *to, int row)
{
	const uint16_t *y0 = row10(from, 0, 2 * row), *y1 = row10(from, 0, 2 * row + 1);
	const uint16_t *cb = row10(from, 1, row), *cr = row10(from, 2, row);
	uint8_t *top = to->data[0] + (ptrdiff_t)2 * row * to->linesize[0], *bottom = top + to->linesize[0];
	uint8_t *u = to->data[1] + (ptrdiff_t)row * to->linesize[1], *v = to->data[2] + (ptrdiff_t)row * to->linesize[2];

	for (int x = 0; x < from->width / 2; x++) {
		corners c = around(cb[x] & 1023, cr[x] & 1023);
		int a = y0[2 * x] & 1023, b = y0[2 * x + 1] & 1023, d = y1[2 * x] & 1023, e = y1[2 * x + 1] & 1023;
		int middle = (a + b + d + e + 2) / 4;
		top[2 * x] = value(t->y, &c, a);
		top[2 * x + 1] = value(t->y, &c, b);
		bottom[2 * x] = value(t->y, &c, d);
		bottom[2 * x + 1] = value(t->y, &c, e);
		u[x] = value(t->u, &c, middle);
		v[x] = value(t->v, &c, middle);
	}
}

int rc_tone_map(const rc_tone *t, const AVFrame *from, AVFrame *to)
{
	int ret = av_frame_make_writable(to);
	if (ret < 0)
		return ret;
	if (from->format != AV_PIX_FMT_YUV420P10LE || to->format != AV_PIX_FMT_YUV420P || from->width != to->width || from->height != to->height)
		return AVERROR_BUG;
	for (int row = 0; row < from->height / 2; row++)
		map_rows(t, from, to, row);
	return 0;
}
