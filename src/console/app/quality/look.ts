export interface Look {
  view?: string
  code?: string
  key?: string
  hours?: string
  rejection?: string
  letter?: string
}
