package main

import (
	"fmt"
	"time"

	"github.com/roomcast/roomcast/cmd/roomcast/follow"
	"github.com/roomcast/roomcast/internal/config"
	"github.com/roomcast/roomcast/media"
	"github.com/roomcast/roomcast/media/trtc"
)

type usersigCmd struct {
	App  uint32 `required:"" help:"The SDKAppID (ROOMCAST_APP)." getenv:"ROOMCAST_APP"`
	User string `required:"" help:"Who the signature is for."`
	TTL  span   `help:"How long it is good for: 90, 1:30 or 24h." default:"24h" name:"ttl"`
}

// Run prints the signature and nothing else.
func (u *usersigCmd) Run(e env) error {
	key, err := sdkKey(e.getenv, u.App)
	if err != nil {
		return err
	}
	door, err := trtc.New(trtc.Config{Keys: map[uint32]media.Secret{u.App: key}})
	if err != nil {
		return err
	}
	sig, err := door.MintUserSig(u.App, u.User, time.Duration(u.TTL))
	if err != nil {
		return err
	}
	if e.json {
		return follow.Encode(e.screen, map[string]string{"userSig": sig.Reveal()})
	}
	_, err = fmt.Fprintln(e.screen, sig.Reveal())
	return err
}

// sdkKey finds the key of app in the environment. Its errors hold no key.
func sdkKey(getenv func(string) string, app uint32) (media.Secret, error) {
	if key := getenv("ROOMCAST_SDK_KEY"); key != "" {
		return media.Secret(key), nil
	}
	var keys config.SDKKeys
	if err := keys.UnmarshalText([]byte(getenv("ROOMCAST_SDK_KEYS"))); err != nil {
		return "", usage("ROOMCAST_SDK_KEYS: %w", err)
	}
	if key, ok := keys[app]; ok {
		return key, nil
	}
	return "", usage("there is no key for this app: set ROOMCAST_SDK_KEY=key, or ROOMCAST_SDK_KEYS=appid=key,…")
}
