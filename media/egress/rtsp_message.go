package egress

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

const (
	maxRTSPHead = 32 << 10
	maxRTSPBody = 256 << 10 // of a description
)

var errRTSPLong = errors.New("an RTSP message is too long")

type rtspField struct{ name, value string }

// rtspMessage is a request or an answer.
type rtspMessage struct {
	start  string
	fields []rtspField
	body   []byte
}

// readRTSP reads one message, its body as long as Content-Length says.
func readRTSP(from *bufio.Reader) (*rtspMessage, error) {
	m := &rtspMessage{}
	left := maxRTSPHead
	for {
		line, err := readLine(from, &left)
		if err != nil {
			return nil, err
		}
		name, value, ok := strings.Cut(line, ":")
		switch {
		case m.start == "":
			m.start = line // empty ones before it are skipped
		case line == "":
			return m, m.readBody(from)
		case ok:
			m.add(strings.TrimSpace(name), strings.TrimSpace(value))
		}
	}
}

func readLine(from *bufio.Reader, left *int) (string, error) {
	var line []byte
	for {
		part, err := from.ReadSlice('\n')
		if *left -= len(part); *left < 0 {
			return "", errRTSPLong
		}
		line = append(line, part...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return strings.TrimRight(string(line), "\r\n"), err
	}
}

func (m *rtspMessage) readBody(from *bufio.Reader) error {
	text := m.get("Content-Length")
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxRTSPBody {
		return errRTSPLong
	}
	m.body = make([]byte, n)
	_, err = io.ReadFull(from, m.body)
	return err
}

// readFrame reads an interleaved frame, its head included.
func readFrame(from *bufio.Reader) ([]byte, error) {
	head, err := from.Peek(4)
	if err != nil {
		return nil, err
	}
	frame := make([]byte, 4+int(binary.BigEndian.Uint16(head[2:])))
	_, err = io.ReadFull(from, frame)
	return frame, err
}

// get returns the first field of a name, in whatever case; empty for none.
func (m *rtspMessage) get(name string) string {
	for _, f := range m.fields {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

func (m *rtspMessage) all(name string) []string {
	var values []string
	for _, f := range m.fields {
		if strings.EqualFold(f.name, name) {
			values = append(values, f.value)
		}
	}
	return values
}

func (m *rtspMessage) add(name, value string) {
	m.fields = append(m.fields, rtspField{name, value})
}

func (m *rtspMessage) remove(name string) {
	m.fields = slices.DeleteFunc(m.fields, func(f rtspField) bool { return strings.EqualFold(f.name, name) })
}

func (m *rtspMessage) set(name, value string) {
	m.remove(name)
	m.add(name, value)
}

// status returns an answer's; false for a request.
func (m *rtspMessage) status() (int, bool) {
	version, rest, _ := strings.Cut(m.start, " ")
	code, _, _ := strings.Cut(rest, " ")
	n, err := strconv.Atoi(code)
	return n, err == nil && strings.HasPrefix(version, "RTSP/") && n >= 100 && n <= 999
}

// told are an answer's fields that libav needs. Location would lead it
// elsewhere, Server and RealChallenge1 to the protocols of others.
var told = []string{"Session", "Content-Base", "Content-Type", "RTP-Info", "Range", "Public"}

// plain is an answer as libav gets it.
func (m *rtspMessage) plain(cseq string) *rtspMessage {
	p := &rtspMessage{start: m.start, body: m.body}
	p.add("CSeq", cseq)
	for _, name := range told {
		if v := m.get(name); v != "" {
			p.add(name, v)
		}
	}
	if v := m.get("Transport"); v != "" {
		p.add("Transport", plainTransport(v))
	}
	if len(p.body) > 0 {
		p.add("Content-Length", strconv.Itoa(len(p.body)))
	}
	return p
}

// plainTransport leaves out where media may come from or go to.
func plainTransport(list string) string {
	first, _, _ := strings.Cut(list, ",")
	parts := strings.Split(first, ";")
	kept := parts[:1]
	for _, part := range parts[1:] {
		name, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(part)), "=")
		if name == "unicast" || name == "interleaved" || name == "ssrc" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, ";")
}

func (m *rtspMessage) bytes() []byte {
	var b strings.Builder
	b.WriteString(m.start + "\r\n")
	for _, f := range m.fields {
		b.WriteString(f.name + ": " + f.value + "\r\n")
	}
	b.WriteString("\r\n")
	b.Write(m.body)
	return []byte(b.String())
}
