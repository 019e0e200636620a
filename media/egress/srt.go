package egress

import (
	"errors"
	"strings"

	"github.com/roomcast/roomcast/media"
)

const (
	maxSRTStream  = 512 // SRTO_STREAMID
	minPassphrase = 10  // SRTO_PASSPHRASE
	maxPassphrase = 79
)

var (
	errSRTPort       = errors.New("an srt address names its port")
	errSRTUser       = errors.New("an srt address has no user: passphrase and streamid go into its query")
	errSRTOption     = errors.New("an srt address may have streamid, passphrase, pbkeylen and mode=caller in its query, each once")
	errSRTStream     = errors.New("the streamid is longer than 512 bytes")
	errSRTPassphrase = errors.New("a passphrase has 10 to 79 bytes, a pbkeylen is 16, 24 or 32")
)

// srtOptions are those in the query of an address that say who asks.
func (a address) srtOptions() (map[string]media.Secret, error) {
	switch {
	case a.port == 0:
		return nil, errSRTPort
	case a.userInfo != "":
		return nil, errSRTUser
	}
	options := make(map[string]media.Secret)
	_, query, _ := strings.Cut(a.path, "?") // with what follows a #: stream ids begin so
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		if _, twice := options[name]; twice {
			return nil, errSRTOption
		}
		value = unescaped(value)
		switch {
		case pair == "" || name == "mode" && value == "caller":
			continue
		case name == "streamid" || name == "passphrase" || name == "pbkeylen":
			options[name] = media.Secret(value)
		default:
			return nil, errSRTOption
		}
	}
	return options, checkSRT(options)
}

func checkSRT(options map[string]media.Secret) error {
	phrase, phrased := options["passphrase"]
	length, sized := options["pbkeylen"]
	switch {
	case len(options["streamid"]) > maxSRTStream:
		return errSRTStream
	case phrased && (len(phrase) < minPassphrase || len(phrase) > maxPassphrase),
		sized && length != "16" && length != "24" && length != "32":
		return errSRTPassphrase
	}
	return nil
}
