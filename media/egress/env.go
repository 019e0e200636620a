package egress

import "os"

// ClearProxyEnv removes the proxy settings from the environment, in both
// cases. libav reads http_proxy and no_proxy at every open, and a no_proxy of
// the machine's would lead it past the gate: call this before anything else.
func ClearProxyEnv() {
	for _, name := range []string{
		"http_proxy", "https_proxy", "all_proxy", "no_proxy",
		"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
	} {
		// Fails for malformed names only, and these are not.
		_ = os.Unsetenv(name)
	}
}
