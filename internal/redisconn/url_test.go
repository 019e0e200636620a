package redisconn

import (
	"testing"

	"github.com/stretchr/testify/require"
)

const canary = "sw0rdfish"

func TestParse(t *testing.T) {
	for name, c := range map[string]struct {
		url  string
		want address
	}{
		"a host alone gets port 6379 and database 0": {
			"redis://localhost", address{hosts: []string{"localhost:6379"}},
		},
		"user, password, port and database are read": {
			"redis://app:" + canary + "@10.0.0.1:7000/3",
			address{hosts: []string{"10.0.0.1:7000"}, user: "app", password: canary, db: 3},
		},
		"a password without a user may hold encoded signs": {
			"redis://:a%40b%2Fc@h", address{hosts: []string{"h:6379"}, password: "a@b/c"},
		},
		"an IPv6 address keeps its brackets": {
			"redis://[::1]:7000/0", address{hosts: []string{"[::1]:7000"}},
		},
		"an IPv6 address gets the default port": {
			"redis://[::1]", address{hosts: []string{"[::1]:6379"}},
		},
		"TLS files are parameters": {
			"rediss://h?ca=/ca.pem&cert=/c.pem&key=/k.pem&server_name=n&pool_size=7",
			address{tls: true, hosts: []string{"h:6379"}, ca: "/ca.pem", cert: "/c.pem", key: "/k.pem", serverName: "n", poolSize: 7},
		},
		"Sentinel has a master's name and its own port": {
			"redis+sentinel://u:p@h1,h2:26380/mymaster/2?sentinel_user=su&sentinel_password=sp",
			address{
				topology: sentinel, hosts: []string{"h1:26379", "h2:26380"}, master: "mymaster", db: 2,
				user: "u", password: "p", sentinelUser: "su", sentinelPassword: "sp",
			},
		},
		"Sentinel over TLS without a database": {
			"rediss+sentinel://h1/mymaster",
			address{topology: sentinel, tls: true, hosts: []string{"h1:26379"}, master: "mymaster"},
		},
		"blanks around it and capitals of the scheme do not count": {
			"  REDISS://h\n", address{tls: true, hosts: []string{"h:6379"}},
		},
		"slashes around the database do not count": {
			"redis://h//3/", address{hosts: []string{"h:6379"}, db: 3},
		},
		"a slash alone is database 0": {
			"redis://h/?pool_size=2", address{hosts: []string{"h:6379"}, poolSize: 2},
		},
		"parameters may follow the host, and be empty": {
			"redis://h:7000?pool_size=&server_name=", address{hosts: []string{"h:7000"}},
		},
		"a user may have no password": {
			"redis://app@h", address{hosts: []string{"h:6379"}, user: "app"},
		},
		"a password alone may be all there is before the @": {
			"redis://:" + canary + "@h", address{hosts: []string{"h:6379"}, password: canary},
		},
		"a password may hold signs that net/url refuses": {
			`redis://u:a^b{c}|d\e"f<g>[h] i` + "`ü+&=!$'()*;,~" + "@h",
			address{hosts: []string{"h:6379"}, user: "u", password: `a^b{c}|d\e"f<g>[h] i` + "`ü+&=!$'()*;,~"},
		},
		"a password may hold : and @ as they are, and %": {
			"redis://u:a:b@c%25d@h", address{hosts: []string{"h:6379"}, user: "u", password: "a:b@c%d"},
		},
		"a Sentinel may be an IPv6 address and have no port": {
			"redis+sentinel://[::1],[::2]:7000/m//1/",
			address{topology: sentinel, hosts: []string{"[::1]:26379", "[::2]:7000"}, master: "m", db: 1},
		},
		"a Sentinel's own password may be encoded": {
			"redis+sentinel://h/m?sentinel_password=a%40b",
			address{topology: sentinel, hosts: []string{"h:26379"}, master: "m", sentinelPassword: "a@b"},
		},
		"a cluster may name database 0": {
			"redis+cluster://:" + canary + "@h1,h2:7002/0",
			address{topology: cluster, hosts: []string{"h1:6379", "h2:7002"}, password: canary},
		},
		"a cluster has several hosts": {
			"rediss+cluster://h1:7001,h2:7002",
			address{topology: cluster, tls: true, hosts: []string{"h1:7001", "h2:7002"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parse(c.url)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
			require.Equal(t, c.want.topology != single, Config{URL: c.url}.FailsOver())
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for name, url := range map[string]string{
		"no scheme":                         canary + "@h:6379",
		"an unknown scheme":                 "http://:" + canary + "@h",
		"a slash in the password":           "redis://u:" + canary + "/x@h:6379",
		"a question mark in the password":   "redis://u:" + canary + "?x@h:6379",
		"a hash in the password":            "redis://u:" + canary + "#x@h:6379",
		"a bad escape in the password":      "redis://u:" + canary + "%zz@h",
		"a password as the port":            "redis://h:" + canary,
		"a database that is no number":      "redis://h/" + canary,
		"a negative database":               "redis://h/-1",
		"a number as the password and no @": "redis://h:12345678",
		"a port that is too high":           "redis://:" + canary + "@h:65536",
		"an IPv6 address without brackets":  "redis://:" + canary + "@::1",
		"an empty host in a list":           "redis+cluster://:" + canary + "@h1,,h2",
		"a bad host in a list":              "redis+cluster://:" + canary + "@h1,h 2",
		"a path of two parts":               "redis://h/0/" + canary,
		"an unknown parameter":              "redis://h?" + canary + "=1",
		"several hosts without Sentinel":    "redis://u:" + canary + "@h1,h2",
		"an empty host":                     "redis://:" + canary + "@",
		"port 0":                            "redis://h:0",
		"Sentinel without a master":         "redis+sentinel://:" + canary + "@h1",
		"a cluster's database":              "redis+cluster://:" + canary + "@h1/1",
		"a pool of no connections":          "redis://:" + canary + "@h1?pool_size=0",
		"skip_verify":                       "rediss://:" + canary + "@h1?skip_verify=true",
		"certificates without TLS":          "redis://:" + canary + "@h1?ca=/x",
		"a CA file that is not there":       "rediss://:" + canary + "@h1?ca=/nonexistent",
		"a certificate without its key":     "rediss://:" + canary + "@h1?cert=/nonexistent",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(Config{URL: url})
			require.Error(t, err)
			require.NotContains(t, err.Error(), canary)
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("redis://u:p@h:1/0?ca=x")
	f.Add("redis+sentinel://h1,h2/m/0")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := parse(text)
		if err == nil && len(a.hosts) == 0 {
			t.Fatal("no host and no error")
		}
	})
}

func TestCheckInfo(t *testing.T) {
	for name, c := range map[string]struct {
		info     string
		err      string
		warnings int
	}{
		"6.2 with noeviction is fine":    {"redis_version:6.2.0\r\nmaxmemory_policy:noeviction\r\n", "", 0},
		"8.0 with noeviction is fine":    {"redis_version:8.0.1\r\nmaxmemory_policy:noeviction\r\n", "", 0},
		"6.0 is too old":                 {"redis_version:6.0.16\r\nmaxmemory_policy:noeviction\r\n", "6.2 or later", 0},
		"eviction is refused":            {"redis_version:7.0.15\r\nmaxmemory_policy:allkeys-lru\r\n", "noeviction", 0},
		"an unknown policy is a warning": {"redis_version:7.0.15\r\n", "", 1},
		"nothing known is two warnings":  {"", "", 2},
	} {
		t.Run(name, func(t *testing.T) {
			warnings, err := checkInfo(c.info)
			require.Len(t, warnings, c.warnings)
			if c.err == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.err)
			}
		})
	}
}
