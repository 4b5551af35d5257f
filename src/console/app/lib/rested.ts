import { useEffect, useState } from "react"

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
