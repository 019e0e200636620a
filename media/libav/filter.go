package libav

import (
	"errors"

	"github.com/asticode/go-astiav"
)

// graph is a chain of filters from one frame format to another.
type graph struct {
	graph  *astiav.FilterGraph
	source *astiav.BuffersrcFilterContext
	sink   *astiav.BuffersinkFilterContext
	frame  *astiav.Frame
	base   astiav.Rational // the sink's
}

// graphKind names libav's ends of a chain.
type graphKind struct{ source, sink string }

var (
	videoGraph = graphKind{"buffer", "buffersink"}
	audioGraph = graphKind{"abuffer", "abuffersink"}
)

// newGraph makes a chain as libav's language describes it, for frames as
// describe says. Its threads would cost more than they bring: it has one.
func newGraph(kind graphKind, chain string, describe func(*astiav.BuffersrcFilterContextParameters)) (*graph, error) {
	g := &graph{graph: astiav.AllocFilterGraph(), frame: astiav.AllocFrame()}
	if g.graph == nil || g.frame == nil {
		g.close()
		return nil, errNoMemory
	}
	g.graph.SetThreadCount(1)
	if err := g.build(kind, chain, describe); err != nil {
		g.close()
		return nil, err
	}
	g.base = g.sink.TimeBase()
	return g, nil
}

// newVideoGraph makes a chain for pictures that are shaped as p.
func newVideoGraph(chain string, p picture) (*graph, error) {
	return newGraph(videoGraph, chain, func(b *astiav.BuffersrcFilterContextParameters) {
		b.SetWidth(p.width)
		b.SetHeight(p.height)
		b.SetPixelFormat(p.format)
		b.SetSampleAspectRatio(aspectOf(p.pixels))
		b.SetColorSpace(p.space)
		b.SetColorRange(p.rangeOf)
	})
}

func (g *graph) build(kind graphKind, chain string, describe func(*astiav.BuffersrcFilterContextParameters)) error {
	var err error
	if g.source, err = g.graph.NewBuffersrcFilterContext(astiav.FindFilterByName(kind.source), "in"); err != nil {
		return err
	}
	p := astiav.AllocBuffersrcFilterContextParameters()
	defer p.Free()
	p.SetTimeBase(nanoseconds)
	describe(p)
	if err := g.source.SetParameters(p); err != nil {
		return err
	}
	if err := g.source.Initialize(nil); err != nil {
		return err
	}
	if g.sink, err = g.graph.NewBuffersinkFilterContext(astiav.FindFilterByName(kind.sink), "out"); err != nil {
		return err
	}
	if err := g.parse(chain); err != nil {
		return err
	}
	return g.graph.Configure()
}

func (g *graph) parse(chain string) error {
	// What leaves the source is the chain's input: libav names the ends from without.
	outputs, inputs := astiav.AllocFilterInOut(), astiav.AllocFilterInOut()
	defer func() { outputs.Free(); inputs.Free() }()
	outputs.SetName("in")
	outputs.SetFilterContext(g.source.FilterContext())
	inputs.SetName("out")
	inputs.SetFilterContext(g.sink.FilterContext())
	return g.graph.Parse(chain, inputs, outputs)
}

// push gives f to the chain and what comes out, with times in nanoseconds, to
// each. nil is the end: the graph can only be closed after it. f stays the
// caller's.
func (g *graph) push(f *astiav.Frame, each frames) error {
	if err := g.source.AddFrame(f, astiav.NewBuffersrcFlags(astiav.BuffersrcFlagKeepRef)); err != nil {
		return err
	}
	for {
		err := g.sink.GetFrame(g.frame, astiav.NewBuffersinkFlags())
		if errors.Is(err, astiav.ErrEagain) || errors.Is(err, astiav.ErrEof) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := g.give(each); err != nil {
			return err
		}
	}
}

func (g *graph) give(each frames) error {
	defer g.frame.Unref()
	g.frame.SetPts(astiav.RescaleQ(g.frame.Pts(), g.base, nanoseconds))
	return each(g.frame)
}

// finish gives each what is still inside and closes the graph; nil has nothing
// to finish.
func (g *graph) finish(each frames) error {
	if g == nil {
		return nil
	}
	defer g.close()
	return g.push(nil, each)
}

// onlyMemory leaves of a graph's error only the one that is not the input's
// fault.
func onlyMemory(err error) error {
	if errors.Is(err, errNoMemory) {
		return err
	}
	return nil
}

func (g *graph) close() {
	if g == nil {
		return
	}
	if g.frame != nil {
		g.frame.Free()
	}
	if g.graph != nil {
		g.graph.Free()
	}
}
