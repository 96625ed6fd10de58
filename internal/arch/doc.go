// Package arch holds no code. Its test holds the lines that DESIGN draws and
// that no compiler does: who may import whom, where each dependency lives,
// which files start goroutines, and what libraries never do.
package arch
