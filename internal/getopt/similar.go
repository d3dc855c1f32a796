package getopt

// Similar returns the one of names that word is most likely a slip for: at
// most a third of its letters, and at most three, to be changed. It is empty
// where there is none.
func Similar(word string, names []string) string {
	best, least := "", min(3, (len(word)+2)/3)+1
	for _, n := range names {
		if d := distance(word, n); d < least {
			best, least = n, d
		}
	}
	return best
}

// distance is Levenshtein's: letters to insert, to delete or to change.
func distance(a, b string) int {
	if len(a) > 64 { // no flag is: do not spend time on it
		return len(a)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
