package rtmp

import (
	"crypto/tls"
	"errors"

	"github.com/roomcast/roomcast/media"
)

// errHandshake says that a connection ended before the server spoke RTMP.
var errHandshake = errors.New("handshake")

// inWords is err with what it means for a person who sees the room's side, and
// err itself where that is not known.
func inWords(err error) error {
	if _, told := errors.AsType[*media.Reason](err); told {
		return err
	}
	_, refused := errors.AsType[*tls.CertificateVerificationError](err)
	_, plain := errors.AsType[tls.RecordHeaderError](err)
	switch words := media.OfNetwork(err); {
	case refused:
		return media.Because("the certificate of its server cannot be verified", err)
	case plain:
		return media.Because("its server does not speak TLS: is it rtmp rather than rtmps?", err)
	case words != "":
		return media.Because(words, err)
	case errors.Is(err, errHandshake):
		return media.Because("its server does not speak RTMP: are the address and the port right?", err)
	}
	return err
}
