export default function Page() {
  return 'An application that stores records';
}
