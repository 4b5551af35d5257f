import { useEffect, useRef, useState } from "react"

const REST_MS = 200

/** The value once it has not changed for a moment. */
export function useRested<Value>(value: Value, ms = REST_MS): Value {
  const [rested, setRested] = useState(value)
  useEffect(() => {
    const timer = setTimeout(() => setRested(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return rested
}

/** The value at once if nothing changed for a moment before, as with one jump; else once it has not changed for one. */
export function useSettled<Value>(value: Value, ms: number): Value {
  const [settled, setSettled] = useState(value)
  const changed = useRef(Number.NEGATIVE_INFINITY)
  useEffect(() => {
    const now = performance.now()
    const still = now - changed.current > ms
    changed.current = now
    if (still) {
      setSettled(value)
      return
    }
    const timer = setTimeout(() => setSettled(value), ms)
    return () => clearTimeout(timer)
  }, [value, ms])
  return settled
}
