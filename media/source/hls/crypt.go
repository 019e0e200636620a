package hls

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"io"
	"strings"

	"github.com/roomcast/roomcast/media"
)

var errCipher = media.Because("what its playlist encrypts cannot be decrypted: is the key another one by now?", nil)

// keys are those of a playlist that have been fetched.
type keys map[string][]byte

func (k keys) get(ctx context.Context, f *fetcher, address string) ([]byte, error) {
	if has, ok := k[address]; ok {
		return has, nil
	}
	secret, err := f.whole(ctx, address, part{}, keySize, "a key")
	if err != nil {
		return nil, err
	}
	if len(secret) != keySize {
		return nil, invalid(media.Because("a key of its playlist is shorter than 16 bytes", nil))
	}
	if len(k) >= mostKeys {
		clear(k)
	}
	k[address] = secret
	return secret, nil
}

// vector is the initialization vector: a segment's number, unless it is told (RFC
// 8216, section 5.2).
func (k *key) vector(number uint64) []byte {
	iv := make([]byte, aes.BlockSize)
	if told, err := hex.DecodeString(evenHex(k.iv)); err == nil && len(told) > 0 && len(told) <= len(iv) {
		copy(iv[len(iv)-len(told):], told)
		return iv
	}
	binary.BigEndian.PutUint64(iv[8:], number)
	return iv
}

func evenHex(text string) string {
	text = strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(text), "0x"), "0X")
	if len(text)%2 == 1 {
		text = "0" + text
	}
	return text
}

// decrypter undoes AES-128 in CBC with the padding of PKCS7.
type decrypter struct {
	from io.Reader
	cbc  cipher.BlockMode
	in   []byte // what is not decrypted yet; the last block waits for the end
	out  []byte
	buf  []byte
	err  error
}

func newDecrypter(from io.Reader, secret, iv []byte) (*decrypter, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, invalid(errCipher)
	}
	return &decrypter{from: from, cbc: cipher.NewCBCDecrypter(block, iv), buf: make([]byte, chunkSize)}, nil
}

func (d *decrypter) Read(b []byte) (int, error) {
	for len(d.out) == 0 {
		if d.err != nil {
			return 0, d.err
		}
		d.fill()
	}
	n := copy(b, d.out)
	d.out = d.out[n:]
	return n, nil
}

func (d *decrypter) fill() {
	n, err := d.from.Read(d.buf)
	d.in = append(d.in, d.buf[:n]...)
	ready := len(d.in) / aes.BlockSize * aes.BlockSize
	if d.err = err; err != io.EOF && ready == len(d.in) {
		ready -= aes.BlockSize
	}
	if ready <= 0 {
		return
	}
	d.out = append(d.out[:0], d.in[:ready]...)
	d.cbc.CryptBlocks(d.out, d.out)
	d.in = append(d.in[:0], d.in[ready:]...)
	if err != io.EOF {
		return
	}
	pad := int(d.out[ready-1])
	if pad < 1 || pad > aes.BlockSize {
		d.out, d.err = nil, invalid(errCipher)
		return
	}
	d.out = d.out[:ready-pad]
}
