declare module "*.css" {
  const text: string;
  export default text;
}
declare module "*?inline" {
  const url: string;
  export default url;
}
