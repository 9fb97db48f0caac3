// Package flags has the flags that several commands share: each set is one type, is
// registered in one place, checks its values, and says in its errors which flag is wrong and
// what it wants.
package flags
