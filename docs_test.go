package roomcast_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a reader who learned English at school can take in at once.
const (
	mostWords = 30  // of a sentence
	mostRunes = 120 // of a line, but for tables and code
)

// plain are the documents that are held to that; cited are all whose links and paths
// must lead somewhere.
var (
	plain = []string{"ARCHITECTURE.md", "CHANGELOG.md", "README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/*.md"}
	cited = append([]string{"SECURITY.md"}, plain...)
)

// documents returns the paths that match patterns.
func documents(t *testing.T, patterns []string) (all []string) {
	t.Helper()
	for _, pattern := range patterns {
		paths, err := filepath.Glob(pattern)
		require.NoError(t, err)
		require.NotEmpty(t, paths, pattern)
		all = append(all, paths...)
	}
	return all
}

// prose returns the lines of a Markdown text, and leaves those empty that belong to a
// block of code, a table, a heading or a comment.
func prose(text string) []string {
	lines := strings.Split(text, "\n")
	code := false
	for i, line := range lines {
		bare := strings.TrimSpace(line)
		fence := strings.HasPrefix(bare, "```")
		if fence {
			code = !code
		}
		if code || fence || strings.HasPrefix(bare, "|") || strings.HasPrefix(bare, "#") || strings.HasPrefix(bare, "<!--") || strings.HasPrefix(bare, "![") {
			lines[i] = ""
		}
	}
	return lines
}

var (
	itemStart   = regexp.MustCompile(`^\s*([-*]|\d+\.)\s+`)
	codeSpan    = regexp.MustCompile("`[^`]*`")
	link        = regexp.MustCompile(`\[([^\]]*)\]\(([^)]*)\)`)
	sentenceEnd = regexp.MustCompile(`[.!?][)"']*\s+`)
)

// A sentence of a document, with the line that its paragraph begins in.
type sentence struct {
	line int
	text string
}

// sentences returns those of a Markdown text. A piece of code and a link's text are
// what they read as: code is one word, however long it is.
func sentences(text string) (all []sentence) {
	begin, paragraph := 0, ""
	end := func() {
		whole := codeSpan.ReplaceAllString(link.ReplaceAllString(paragraph, "$1"), "code")
		whole = strings.ReplaceAll(whole, "**", "")
		for whole != "" {
			cut := len(whole)
			if at := sentenceEnd.FindStringIndex(whole); at != nil {
				cut = at[1]
			}
			all = append(all, sentence{begin, strings.TrimSpace(whole[:cut])})
			whole = whole[cut:]
		}
		paragraph = ""
	}
	for i, line := range prose(text) {
		if strings.TrimSpace(line) == "" || itemStart.MatchString(line) {
			end()
		}
		if paragraph == "" {
			begin = i + 1
		}
		if line = strings.TrimSpace(itemStart.ReplaceAllString(line, "")); line != "" {
			paragraph = strings.TrimSpace(paragraph + " " + line)
		}
	}
	end()
	return all
}

// words counts what is read as a word; a dash is none.
func words(s string) (n int) {
	for word := range strings.FieldsSeq(s) {
		if strings.ContainsFunc(word, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			n++
		}
	}
	return n
}

func TestSentencesAreCountedAsAReaderReadsThem(t *testing.T) {
	text := "# A heading of many words\n\nOne is short. A `go test ./...` and [a link](http://x/y z) are one\nword each - or two.\n" +
		"- **An item.** Its text\n  goes on\n- another\n\n| a | table |\n```sh\nno words at all\n```\nThe end\n"
	want := []sentence{
		{3, "One is short."}, {3, "A code and a link are one word each - or two."}, {5, "An item."}, {5, "Its text goes on"}, {7, "another"}, {13, "The end"},
	}
	require.Equal(t, want, sentences(text))
	require.Equal(t, 11, words(want[1].text))
}

func TestNoSentenceIsTooLongToBeTakenInAtOnce(t *testing.T) {
	for _, path := range documents(t, plain) {
		longest, place := 0, 0
		for _, s := range sentences(text(t, path)) {
			n := words(s.text)
			assert.LessOrEqual(t, n, mostWords, "%s:%d: make two of it: %s", path, s.line, s.text)
			if n > longest {
				longest, place = n, s.line
			}
		}
		t.Logf("%s: %d words, the longest sentence has %d, in line %d", path, words(text(t, path)), longest, place)
		for i, line := range prose(text(t, path)) {
			assert.LessOrEqual(t, utf8.RuneCountInString(line), mostRunes, "%s:%d is a long line", path, i+1)
		}
	}
}

// tree are the files and folders of the checkout.
func tree(t *testing.T) (all []string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "node_modules" || d.Name() == ".git") {
			return filepath.SkipDir
		}
		all = append(all, path)
		return err
	}))
	return all
}

// extensions are those of files that documents name; what else stands behind a dot is a
// name within a package.
var extensions = []string{".go", ".lua", ".md", ".c", ".mjs", ".ts", ".tsx", ".yml", ".yaml", ".json", ".conf"}

// A path of ours in a document: below one of our folders, or a file by its name.
var namedPath = regexp.MustCompile("`((?:cmd|deploy|docs|internal|media|scripts|tasks|web|source|libav|egress)/[\\w./*@-]+|[\\w-]+\\.(?:go|lua|md|c|mjs|tsx?))`")

func TestADocumentNamesAndLinksWhatIsThere(t *testing.T) {
	all := tree(t)
	isThere := func(name string) bool {
		for _, path := range all {
			if path == name || strings.HasSuffix(path, "/"+name) {
				return true
			}
		}
		matches, _ := filepath.Glob(name)
		return len(matches) > 0
	}
	for _, document := range documents(t, cited) {
		whole := text(t, document)
		for _, m := range link.FindAllStringSubmatch(whole, -1) {
			to, anchor, _ := strings.Cut(m[2], "#")
			if strings.Contains(to, "://") {
				continue
			}
			if to == "" {
				to = filepath.Base(document)
			}
			to = filepath.Join(filepath.Dir(document), to)
			_, err := os.Stat(to)
			if assert.NoError(t, err, "%s links %s", document, m[2]) && anchor != "" {
				assert.Contains(t, anchors(text(t, to)), anchor, "%s links %s", document, m[2])
			}
		}
		for _, m := range namedPath.FindAllStringSubmatch(whole, -1) {
			name := strings.TrimSuffix(m[1], "/")
			if ext := path.Ext(name); ext != "" && !slices.Contains(extensions, ext) {
				name = strings.TrimSuffix(name, ext) // of media/input.Open it is the package
			}
			assert.True(t, isThere(name), "%s names %s", document, m[1])
		}
	}
}

// placed is a name that a document gives with its file: `videoProblem` in `media/program/planning.go`.
var placed = regexp.MustCompile("`([\\w.]+)`(?: and `([\\w.]+)`)?(?: \\([^)]*\\))? (?:in|of) `([\\w/]+\\.(?:go|lua))`")

func TestANameStandsInTheFileThatADocumentSays(t *testing.T) {
	found := 0
	for _, document := range documents(t, cited) {
		whole := strings.Join(strings.Fields(text(t, document)), " ")
		for _, m := range placed.FindAllStringSubmatch(whole, -1) {
			for _, name := range m[1:3] {
				found++
				name = name[strings.LastIndex(name, ".")+1:]
				assert.Regexp(t, `\b`+name+`\b`, text(t, m[3]), "%s says that %s stands in %s", document, name, m[3])
			}
		}
	}
	assert.Greater(t, found, 10)
}

func TestATestThatADocumentNamesIsThere(t *testing.T) {
	var all strings.Builder
	for _, file := range tree(t) {
		if strings.HasSuffix(file, "_test.go") {
			all.WriteString(text(t, file))
		}
	}
	for _, document := range documents(t, cited) {
		for _, m := range regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(text(t, document), -1) {
			assert.Contains(t, all.String(), "\nfunc "+m[1]+"(", document)
		}
	}
}

// anchors are the names by which headings can be linked.
func anchors(text string) (all []string) {
	for line := range strings.Lines(text) {
		if title, ok := strings.CutPrefix(strings.TrimSpace(line), "#"); ok {
			title = strings.ToLower(strings.TrimSpace(strings.TrimLeft(title, "#")))
			title = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(title, "")
			all = append(all, strings.ReplaceAll(title, " ", "-"))
		}
	}
	return all
}
