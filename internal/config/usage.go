package config

import "strings"

// Usage is what a program that takes nothing but settings says of itself:
// about, a sentence, and every setting with its default.
func Usage(name, about string) string {
	var b strings.Builder
	b.WriteString("Usage: " + name + "\n\n" + about + " It takes no arguments; everything is set by environment variables.\n" +
		"--version says which build it is, --health by its exit code whether the one that runs here lives.\n")
	for _, s := range Describe() {
		b.WriteString("\n  " + s.Name)
		if s.Default != "" {
			b.WriteString(" (" + s.Default + ")")
		}
		b.WriteString("\n" + wrap(s.Meaning, "      ", 100))
		if s.File {
			b.WriteString("      Or " + s.Name + fileSuffix + ": the file that holds it.\n")
		}
	}
	return b.String()
}

// wrap breaks text at blanks into lines of at most width bytes, each behind
// indent.
func wrap(text, indent string, width int) string {
	var b strings.Builder
	line := indent
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > width && line != indent {
			b.WriteString(line + "\n")
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	return b.String() + line + "\n"
}
