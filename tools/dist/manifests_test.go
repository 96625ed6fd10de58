package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestKrew asks krew's own validator, which make dist-check builds.
func TestKrew(t *testing.T) {
	archives := map[string]string{}
	for p := range strings.SplitSeq(defaultPlatforms, ",") {
		archives[p] = strings.Repeat("0", 64)
	}
	dir := t.TempDir()
	if err := writeManifests(dir, made{version: "v1.2.3", time: time.Now()}, archives, tree{"man/man1/kverify.1": nil}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "kverify.krew.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "uri: "+downloads+"v1.2.3/kverify_1.2.3_"); n != len(archives)-2 { // krew knows neither ppc64le nor s390x
		t.Errorf("%d of %d archives are in\n%s", n, len(archives), text)
	}
	validator, err := filepath.Abs("../../bin/validate-krew-manifest")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(validator); err != nil {
		t.Skip("no bin/validate-krew-manifest; make dist-check builds it")
	}
	valid := func(text string) (string, bool) {
		file := filepath.Join(t.TempDir(), "kverify.yaml") // krew takes the plugin's name from it
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		said, err := exec.Command(validator, "-manifest", file, "-skip-install").CombinedOutput()
		return string(said), err == nil
	}
	if said, ok := valid(string(text)); !ok {
		t.Errorf("krew says\n%s\nof\n%s", said, text)
	}
	if _, ok := valid(strings.Replace(string(text), `sha256: "0`, `sha256: "x`, 1)); ok {
		t.Error("krew takes a manifest with a digest that is none")
	}
}

// TestCask holds that the cask names what the archives hold. Ruby reads it, where there is one.
func TestCask(t *testing.T) {
	docs, err := documents(time.Unix(1700000000, 0))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	archives := map[string]string{"darwin/arm64": strings.Repeat("a", 64), "linux/amd64": strings.Repeat("b", 64), "linux/s390x": strings.Repeat("c", 64), "windows/amd64": strings.Repeat("d", 64)}
	if err := writeManifests(dir, made{version: "v1.2.3"}, archives, docs); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "kverify.rb")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?:manpage|_completion) "(.*)"`).FindAllStringSubmatch(string(text), -1) {
		if docs[m[1]] == nil {
			t.Errorf("no archive has %s", m[1])
		}
	}
	if got := strings.Count(string(text), "sha256 "); got != 2 {
		t.Errorf("%d archives, and Homebrew has two of these:\n%s", got, text)
	}
	if ruby, err := exec.LookPath("ruby"); err == nil {
		if said, err := exec.Command(ruby, "-c", file).CombinedOutput(); err != nil {
			t.Errorf("ruby says %s", said)
		}
	}
}

// TestDocuments holds that documents depend on nothing but commands and date.
func TestDocuments(t *testing.T) {
	at := time.Unix(1700000000, 0)
	one, err := documents(at)
	if err != nil {
		t.Fatal(err)
	}
	two, err := documents(at.In(time.FixedZone("elsewhere", 14*3600)).UTC())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range one.names() {
		if string(one[name]) != string(two[name]) {
			t.Errorf("%s differs", name)
		}
	}
	page := string(one["man/man1/kverify-images.1"])
	for _, want := range []string{`"Nov 2023"`, "kverify images VERSION", `\fB--mirror\fP`, "kverify images v1.27.2"} {
		if !strings.Contains(page, want) {
			t.Errorf("kverify-images.1 lacks %s", want)
		}
	}
}
