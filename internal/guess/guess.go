// Package guess finds the word that was meant by one that is mistyped: the name of an image or a
// file, a check, a flag, a command. It says so in one form of words.
package guess

import (
	"fmt"
	"slices"
	"strings"
)

// Nearest is the known word that was most likely meant by one that is not known; empty if
// none is near. A beginning of three letters counts, and as many wrong letters as half
// of the word has, two at most. A word that is known was meant as it is: what is wrong
// lies elsewhere, and no other is suggested.
func Nearest(typed string, known []string) string {
	if slices.Contains(known, typed) {
		return ""
	}
	typed = strings.ToLower(typed)
	best, fewest := "", min(2, len(typed)/2)+1
	for _, k := range known {
		if d := distance(typed, strings.ToLower(k)); d < fewest {
			best, fewest = k, d
		}
	}
	if best == "" && len(typed) >= 3 {
		if i := slices.IndexFunc(known, func(k string) bool { return strings.HasPrefix(strings.ToLower(k), typed) }); i >= 0 {
			best = known[i]
		}
	}
	return best
}

// distance is Levenshtein's: how many letters differ, are missing, or are too many.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0] // of the row above, one to the left
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// DidYouMean words the guess, to be put behind what is wrong; empty where no known word is near.
func DidYouMean(typed string, known []string) string {
	near := Nearest(typed, known)
	if near == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", near)
}
