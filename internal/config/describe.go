package config

import (
	"reflect"
	"slices"
)

// Setting is a setting as people read about it.
type Setting struct {
	Name    string // of the variable
	Default string // as written in the environment; may be empty
	Meaning string
	File    bool // it is a secret, which a file may hold instead
}

// Describe lists all settings in the order of Config.
func Describe() []Setting {
	t := reflect.TypeFor[Config]()
	settings := make([]Setting, t.NumField())
	for i := range settings {
		tag := t.Field(i).Tag
		settings[i] = Setting{Prefix + tag.Get("env"), tag.Get("envDefault"), tag.Get("about"), slices.Contains(secrets, t.Field(i).Type)}
	}
	return settings
}
