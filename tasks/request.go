package tasks

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/roomcast/roomcast/media"
)

// Request is what a client asks for, decoded and not yet checked.
type Request struct {
	VideoSrc      media.Secret
	SDKAppID      uint32
	RoomID        string
	RoomWasNumber bool // the client sent a JSON number
	UserID        string
	UserSig       media.Secret
	ClientRole    string // empty: anchor
	Redis         bool
	RedisHost     string
	RedisPort     int // 0: 6379
	RedisPassword media.Secret
	Mode          string // empty: auto
	ResumeScope   string // empty: source
	ResumeKey     string // replaces the source as the name of the resume record
	Options       PushOptions

	CallbackURL    media.Secret
	CallbackEvents []string // WebhookTypes; empty: all but WebhookProgress
	Metadata       map[string]string

	IdempotencyKey string
	Body           []byte // canonical body for the keyed digest; never stored
}

const (
	maxVideoSrc   = 4096
	maxResumeKey  = 256
	redisPort     = 6379
	defaultRole   = "anchor"
	maxPortNumber = 65535
)

// SourceChecker says before anything is opened whether a source may be.
type SourceChecker interface {
	// CheckURL returns an *media.Error of KindSourceBlocked or
	// KindSourceInvalid.
	CheckURL(raw media.Secret) error
}

// checker collects everything that is wrong with a request.
type checker struct {
	code   Code // what the problems have in common
	fields []FieldError
}

func (c *checker) add(field, detail string) { c.addAs(CodeInvalidRequest, field, detail) }

// addAs adds a problem that has a code of its own, which the answer bears if it
// is the only one.
func (c *checker) addAs(code Code, field, detail string) {
	c.fields = append(c.fields, FieldError{Field: field, Detail: detail})
	if c.code != "" && c.code != code {
		code = CodeInvalidRequest
	}
	c.code = code
}

// err returns everything found as one *Error, or nil.
func (c *checker) err() error {
	switch len(c.fields) {
	case 0:
		return nil
	case 1:
		return &Error{Code: c.code, Msg: c.fields[0].Field + ": " + c.fields[0].Detail, Fields: c.fields}
	default:
		return &Error{Code: c.code, Msg: "the request has fields that cannot be used as they are", Fields: c.fields}
	}
}

func (s *Service) check(r Request, now time.Time) (Spec, Secrets, error) {
	var c checker
	spec := Spec{
		SDKAppID: r.SDKAppID, RoomID: r.RoomID, UserID: r.UserID,
		ClientRole: r.ClientRole, Redis: r.Redis, RedisHost: r.RedisHost, RedisPort: r.RedisPort,
		Mode: media.SourceMode(r.Mode), ResumeScope: ResumeScope(r.ResumeScope),
		UserSigMinted: r.UserSig == "",
	}
	address := s.checkSource(&c, r, &spec)
	s.checkDestination(&c, r, now)
	s.checkChoices(&c, &spec)
	s.checkResume(&c, r, &spec, address)
	s.checkOptions(&c, r, &spec)
	s.checkCallback(&c, r, &spec)
	c.checkMetadata(r.Metadata, &spec)
	secrets := Secrets{VideoSrc: r.VideoSrc, UserSig: r.UserSig, RedisPassword: r.RedisPassword, Headers: r.Options.Headers}
	return spec, secrets, c.err()
}

// checkSource returns the source's address without user info, query and
// fragment, not to be shown: a stream's key may be in it.
func (s *Service) checkSource(c *checker, r Request, spec *Spec) string {
	switch {
	case r.VideoSrc == "":
		c.add("videoSrc", "is required: an http(s) file or HLS playlist, or an rtmp(s) stream")
		return ""
	case len(r.VideoSrc) > maxVideoSrc:
		c.add("videoSrc", fmt.Sprintf("is longer than %d bytes", maxVideoSrc))
		return ""
	}
	if err := s.Sources.CheckURL(r.VideoSrc); err != nil {
		code := CodeInvalidRequest
		if media.KindOf(err) == media.KindSourceBlocked {
			code = CodeSourceBlocked
		}
		c.addAs(code, "videoSrc", personal(err))
		return ""
	}
	u, err := url.Parse(r.VideoSrc.Reveal())
	if err != nil { // its text holds the URL
		c.add("videoSrc", "is not a URL")
		return ""
	}
	spec.VideoSrc, spec.SourceHost = shownSource(u), u.Hostname()
	u.User, u.RawQuery, u.ForceQuery, u.Fragment, u.RawFragment = nil, "", false, "", ""
	return u.String()
}

// shownSource is a source's address as people may see it, without what lets one
// in: user info, query and fragment; of RTMP the stream key, which is all behind
// the application; and parts of a path that are named values
// (/hdnts=…/a.m3u8, /user=…&password=…).
func shownSource(u *url.URL) string {
	const hidden = "[redacted]"
	if u.Path == "" {
		return u.Scheme + "://" + u.Host
	}
	parts := strings.Split(strings.TrimPrefix(u.EscapedPath(), "/"), "/")
	switch {
	case strings.HasPrefix(u.Scheme, "rtmp") && len(parts) > 1:
		parts = []string{parts[0], hidden}
	case strings.HasPrefix(u.Scheme, "rtmp"): // it may be the key
		parts = []string{hidden}
	}
	for i, part := range parts {
		if strings.Contains(part, "=") || strings.Contains(strings.ToLower(part), "%3d") {
			parts[i] = hidden
		}
	}
	return u.Scheme + "://" + u.Host + "/" + strings.Join(parts, "/")
}

// checkDestination asks the door about room, user and signature.
func (s *Service) checkDestination(c *checker, r Request, now time.Time) {
	err := s.Door.Check(media.Destination{
		SDKAppID: r.SDKAppID, RoomID: r.RoomID, UserID: r.UserID, UserSig: r.UserSig,
	}, now)
	for _, problem := range media.DestinationProblems(err) {
		c.addAs(codeOfProblem(problem.Reason), problem.Field, problem.Detail)
	}
}

func codeOfProblem(r media.DestinationReason) Code {
	switch r {
	case media.ExpiredUserSig:
		return CodeUserSigExpired
	case media.BadUserSig, media.ForeignUserSig:
		return CodeInvalidUserSig
	case media.BadApp, media.BadRoom, media.BadUser, media.MissingUserSig:
	}
	return CodeInvalidRequest
}

// checkChoices fills in the defaults of the enumerated fields and checks them.
func (s *Service) checkChoices(c *checker, spec *Spec) {
	if spec.ClientRole == "" {
		spec.ClientRole = defaultRole
	}
	if spec.ClientRole != defaultRole {
		c.add("clientRole", "cannot publish: only anchor can")
	}
	if spec.Mode == "" {
		spec.Mode = media.ModeAuto
	}
	if !slices.Contains([]media.SourceMode{media.ModeAuto, media.ModeVOD, media.ModeLive}, spec.Mode) {
		c.add("mode", "must be auto, vod or live")
	}
	if spec.ResumeScope == "" {
		spec.ResumeScope = ResumeScopeSource
	}
	if spec.ResumeScope != ResumeScopeSource && spec.ResumeScope != ResumeScopeRoom {
		c.add("resumeScope", "must be source or room")
	}
}

func (s *Service) checkResume(c *checker, r Request, spec *Spec, address string) {
	if len(r.ResumeKey) > maxResumeKey {
		c.add("resumeKey", fmt.Sprintf("is longer than %d bytes", maxResumeKey))
	}
	if r.Redis {
		spec.ResumeKey = resumeKey(cmp.Or(r.ResumeKey, address), *spec)
	}
	if r.RedisHost == "" {
		if r.RedisPort != 0 || r.RedisPassword != "" {
			c.add("redisHost", "is required with redisPort or redisPassword")
		}
		return
	}
	if spec.RedisPort == 0 {
		spec.RedisPort = redisPort
	}
	if spec.RedisPort < 1 || spec.RedisPort > maxPortNumber {
		c.add("redisPort", "must be between 1 and 65535")
		return
	}
	if !s.Resume.Allowed(ResumeTarget{Host: r.RedisHost, Port: spec.RedisPort}) {
		c.add("redisHost", "is not one of the Redis servers that the operator lists in ROOMCAST_PROGRESS_REDIS_ALLOW")
	}
}

// resumeKey names the resume record: the SHA-256, in hex, of the client's own
// key or of the source's address without user info, query and fragment, so
// that a signed URL finds the record of the same file signed anew. With the
// scope room the app and the room follow after a line feed.
func resumeKey(name string, spec Spec) string {
	if spec.ResumeScope == ResumeScopeRoom {
		name += "\n" + strconv.FormatUint(uint64(spec.SDKAppID), 10) + "/" + spec.RoomID
	}
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

// personal returns what a person may read of a media error: its inner cause.
func personal(err error) string {
	if e, ok := errors.AsType[*media.Error](err); ok && e.Err != nil {
		return e.Err.Error()
	}
	return "cannot be used as a source"
}
