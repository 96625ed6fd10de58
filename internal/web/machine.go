package web

import (
	"net/http"
	"strings"
)

// A machine is the one that a browser runs on, in Go's names ("linux", "arm64").
// Either may be empty: then nothing tells.
type machine struct {
	OS, Arch string
	How      string // "chosen", "said" or "guessed"
}

// hints are the headers in which a browser tells of its machine if it is asked
// (https://wicg.github.io/ua-client-hints/). Browsers send them over TLS, and to
// loopback, only.
const (
	hintPlatform = "Sec-CH-UA-Platform"
	hintArch     = "Sec-CH-UA-Arch"
	hintBits     = "Sec-CH-UA-Bitness"
	hints        = hintPlatform + ", " + hintArch + ", " + hintBits
)

// machineOf is the machine that the form chose, else the one that the browser says
// it runs on, else what its User-Agent lets guess.
func machineOf(f filter, h http.Header) machine {
	if f.OS != "" && f.Arch != "" {
		return machine{f.OS, f.Arch, "chosen"}
	}
	guess := guessed(h.Get("User-Agent"))
	os := map[string]string{"Linux": "linux", "macOS": "darwin", "Windows": "windows"}[unquoted(h, hintPlatform)]
	arch := map[string]string{"x86 64": "amd64", "x86 32": "386", "arm 64": "arm64", "arm 32": "arm"}[unquoted(h, hintArch)+" "+unquoted(h, hintBits)]
	switch said := unquoted(h, hintPlatform); {
	case os != "" && arch != "":
		return machine{os, arch, "said"}
	case said != "" && os == "": // Android, Chrome OS, iOS: nothing of a release runs there
		return machine{}
	case os != "" && os != guess.OS:
		return machine{os, "", "said"}
	}
	return guess
}

func unquoted(h http.Header, name string) string {
	return strings.Trim(strings.TrimSpace(h.Get(name)), `"`)
}

// guessed reads a User-Agent. Browsers no longer say everything in it: a Mac is
// always an Intel one, so that its processor stays open.
func guessed(agent string) machine {
	has := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(agent, w) {
				return true
			}
		}
		return false
	}
	m := machine{How: "guessed"}
	switch {
	case has("Android", "iPhone", "iPad", "CrOS"):
		return machine{}
	case has("Windows NT"):
		m.OS = "windows"
	case has("Macintosh", "Mac OS X", "darwin"):
		m.OS = "darwin"
	case has("Linux", "linux"):
		m.OS = "linux"
	default:
		return machine{}
	}
	switch {
	case m.OS == "darwin":
	case has("aarch64", "arm64", "ARM64"):
		m.Arch = "arm64"
	case has("x86_64", "x64", "amd64", "WOW64"):
		m.Arch = "amd64"
	case has("i686", "i386"):
		m.Arch = "386"
	case has("ppc64le"):
		m.Arch = "ppc64le"
	case has("s390x"):
		m.Arch = "s390x"
	case has("armv7", "armv6"):
		m.Arch = "arm"
	}
	return m
}

// Is says whether a platform may be the machine's.
func (m machine) Is(os, arch string) bool {
	return m.OS != "" && m.OS == os && (m.Arch == "" || m.Arch == arch)
}

// Words name the machine, and say who says so.
func (m machine) Words() string {
	what := systemName(m.OS)
	if m.Arch != "" {
		what += " " + m.Arch
	}
	switch {
	case m.How == "chosen":
		return what + ", as chosen below"
	case m.How == "said" && m.Arch != "":
		return what + ", as your browser says"
	case m.Arch == "":
		return what + "; your browser does not say which processor"
	}
	return what + ", a guess from your browser’s name for itself"
}

// systemName is a system as people write it.
func systemName(os string) string {
	switch os {
	case "linux":
		return "Linux"
	case "darwin":
		return "macOS"
	case "windows":
		return "Windows"
	}
	return os
}
