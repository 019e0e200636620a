package redisconn_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/roomcast/roomcast/internal/freeport"
	"github.com/roomcast/roomcast/internal/redisconn"
	"github.com/roomcast/roomcast/internal/redistest"
)

var server *redistest.Server

func TestMain(m *testing.M) {
	os.Exit(redistest.Run(m, func(s *redistest.Server) { server = s }))
}

func open(t *testing.T, url string) redisconn.Client {
	t.Helper()
	c, err := redisconn.New(redisconn.Config{URL: url, ClientName: "roomcast-test"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func check(t *testing.T, url string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	warnings, err := redisconn.CheckServer(ctx, open(t, url))
	require.Empty(t, warnings)
	return err
}

func TestPlainServerPassesAndSeesOurName(t *testing.T) {
	c := open(t, server.URL())
	_, err := redisconn.CheckServer(context.Background(), c)
	require.NoError(t, err)
	require.Contains(t, c.Do(context.Background(), "client", "list").String(), "name=roomcast-test")
}

func TestEvictingServerIsRefused(t *testing.T) {
	s := redistest.New(t, redistest.Config{Args: []string{"--maxmemory-policy", "allkeys-lru"}})
	require.ErrorContains(t, check(t, s.URL()), "maxmemory-policy noeviction")
}

func TestAbsentServerIsToldWithoutThePassword(t *testing.T) {
	s := redistest.New(t, redistest.Config{Password: "sw0rdfish"})
	require.NoError(t, check(t, s.URL()))
	err := check(t, "redis://:wr0ngsw0rdfish@"+s.Addr())
	require.Error(t, err)
	require.NotContains(t, err.Error(), "sw0rdfish")
	s.Kill()
	err = check(t, s.URL())
	require.ErrorContains(t, err, "ROOMCAST_REDIS_URL")
	require.NotContains(t, err.Error(), "sw0rdfish")
}

func TestACLUserMayUseARestrictedAccount(t *testing.T) {
	s := redistest.New(t, redistest.Config{Args: []string{
		"--user", "app", "on", ">sw0rdfish", "~{roomcast}:*", "+@all", "-@dangerous",
	}})
	c := open(t, "redis://app:sw0rdfish@"+s.Addr())
	warnings, err := redisconn.CheckServer(context.Background(), c)
	require.NoError(t, err)
	require.Len(t, warnings, 1, "INFO is in @dangerous")
	require.NoError(t, c.Set(context.Background(), "{roomcast}:x", "1", 0).Err())
	require.Error(t, c.Set(context.Background(), "other", "1", 0).Err())
}

func TestSentinelLeadsToTheMaster(t *testing.T) {
	master := redistest.New(t, redistest.Config{Password: "sw0rdfish"})
	watch := redistest.New(t, redistest.Config{SentinelOf: master})
	c := open(t, "redis+sentinel://:sw0rdfish@"+watch.Addr()+"/mymaster/3")
	_, err := redisconn.CheckServer(context.Background(), c)
	require.NoError(t, err)
	require.NoError(t, c.Set(context.Background(), "a", "1", 0).Err())
	direct := open(t, "redis://:sw0rdfish@"+master.Addr()+"/3")
	require.Equal(t, "1", direct.Get(context.Background(), "a").Val())
}

func TestClusterIsCheckedAndUsed(t *testing.T) {
	s := redistest.NewCluster(t)
	c := open(t, "redis+cluster://"+s.Addr())
	_, err := redisconn.CheckServer(context.Background(), c)
	require.NoError(t, err)
	require.NoError(t, c.Set(context.Background(), "a", "1", 0).Err())
}

func TestTLSVerifiesTheServerAndShowsAClientCertificate(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t)
	ca.write(t, dir)
	ca.issue(t, dir, "server")
	ca.issue(t, dir, "client")
	file := func(name string) string { return filepath.Join(dir, name) }
	// The plain port stays for redistest; TLS listens beside it.
	port, err := freeport.Find()
	require.NoError(t, err)
	redistest.New(t, redistest.Config{Args: []string{
		"--tls-port", strconv.Itoa(port), "--tls-ca-cert-file", file("ca.pem"),
		"--tls-cert-file", file("server.pem"), "--tls-key-file", file("server.key"),
	}})
	base := "rediss://127.0.0.1:" + strconv.Itoa(port)
	with := base + "?ca=" + file("ca.pem") + "&cert=" + file("client.pem") + "&key=" + file("client.key")

	require.NoError(t, check(t, with))
	require.Error(t, check(t, base), "the CA is unknown to the system")
	require.Error(t, check(t, base+"?ca="+file("ca.pem")), "the server wants a client certificate")
	require.Error(t, check(t, with+"&server_name=other.example"), "the certificate is of another name")
}

type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	der  []byte
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, key.Public(), key)
	require.NoError(t, err)
	return authority{cert: cert, key: key, der: der}
}

func (a authority) write(t *testing.T, dir string) {
	t.Helper()
	writePEM(t, filepath.Join(dir, "ca.pem"), "CERTIFICATE", a.der)
}

func (a authority) issue(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		NotBefore:   time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, key.Public(), a.key)
	require.NoError(t, err)
	raw, err := x509.MarshalECPrivateKey(key)
	require.NoError(t, err)
	writePEM(t, filepath.Join(dir, name+".pem"), "CERTIFICATE", der)
	writePEM(t, filepath.Join(dir, name+".key"), "EC PRIVATE KEY", raw)
}

func writePEM(t *testing.T, path, kind string, der []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
}

func TestARedisThatIsSetToEvictIsSeen(t *testing.T) {
	s := redistest.New(t, redistest.Config{})
	c := s.Client(t)
	evicts := func() bool {
		yes, err := redisconn.Evicts(t.Context(), c)
		require.NoError(t, err)
		return yes
	}
	require.False(t, evicts())
	require.NoError(t, c.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err())
	require.True(t, evicts())
	s.Kill()
	_, err := redisconn.Evicts(t.Context(), c)
	require.Error(t, err)
}

func TestARedisThatRefusesToTellCountsAsOneThatDoesNotEvict(t *testing.T) {
	s := redistest.New(t, redistest.Config{})
	c := s.Client(t)
	require.NoError(t, c.Do(t.Context(), "acl", "setuser", "default", "-info").Err())
	yes, err := redisconn.Evicts(t.Context(), c)
	require.NoError(t, err)
	require.False(t, yes)
}

func TestAServerThatIsSetToEvictLaterIsSaidOnceAndWhenItIsOver(t *testing.T) {
	s := redistest.New(t, redistest.Config{})
	c := open(t, s.URL())
	set := func(policy string) { require.NoError(t, c.ConfigSet(t.Context(), "maxmemory-policy", policy).Err()) }
	lines := make(chan string, 100)
	log := slog.New(slog.NewTextHandler(lineWriter(lines), nil))
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { redisconn.Watch(ctx, c, time.Millisecond, log) })
	for range 2 {
		set("allkeys-lru")
		require.Contains(t, <-lines, "maxmemory-policy allkeys-lru")
		set("noeviction")
		require.Contains(t, <-lines, "can be used again")
	}
	cancel()
	watching.Wait()
	require.Empty(t, lines)
}

// lineWriter sends every line on.
type lineWriter chan string

func (w lineWriter) Write(line []byte) (int, error) {
	w <- string(line)
	return len(line), nil
}
