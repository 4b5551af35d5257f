import { type RefObject, useLayoutEffect, useRef, useState } from "react"

/** The width of an element, as it is now. */
export function useWidth<Of extends HTMLElement>(first = 640): [RefObject<Of | null>, number] {
  const place = useRef<Of>(null)
  const [width, setWidth] = useState(first)
  useLayoutEffect(() => {
    const element = place.current
    if (!element) return
    setWidth(element.clientWidth)
    const watch = new ResizeObserver(() => setWidth(element.clientWidth))
    watch.observe(element)
    return () => watch.disconnect()
  }, [])
  return [place, width]
}
